"""Bodies that nobody should put into a queue, and values that nobody should give: by chance.

Every kind is named, so that a row can say which it has tried. Knows bytes and values, no queue.
"""

from __future__ import annotations

import json
import random
import struct
from collections.abc import Callable
from typing import Any

import msgpack

__all__ = ["BODIES", "TYPE", "body"]

#: The type of the jobs that are spoiled; a worker has to know a handler of any body for it.
TYPE = "fuzz.any"
_LARGEST = 65_000
_HEAD = b"\x93\x01\x81\xa4type\xa8" + TYPE.encode()


def _good(chosen: random.Random) -> bytes:
    headers: dict[str, Any] = {"type": TYPE, "id": f"fuzz-{chosen.getrandbits(60):x}"}
    headers |= chosen.choice(
        [{}, {"retries": 3}, {"tenant": "ä"}, {"errors": ["a"], "failures": 1}]
    )
    content = chosen.choice([None, {"n": 1.5, "s": "ü" * 9}, [[b"\0", True], -1], "text" * 20])
    return bytes(msgpack.packb([1, headers, content]))


def _random(chosen: random.Random) -> bytes:
    return chosen.randbytes(chosen.choice([0, 1, 2, 3, 8, 60, 400]))


def _flipped(chosen: random.Random) -> bytes:
    data = bytearray(_good(chosen))
    for _ in range(chosen.choice([1, 1, 2, 5])):
        data[chosen.randrange(len(data))] ^= 1 << chosen.randrange(8)
    return bytes(data)


def _cut(chosen: random.Random) -> bytes:
    data = _good(chosen)
    return data[: chosen.randrange(len(data))]


def _longer(chosen: random.Random) -> bytes:
    return _good(chosen) + chosen.randbytes(chosen.choice([1, 2, 50]))


def _spliced(chosen: random.Random) -> bytes:
    data = _good(chosen)
    place = chosen.randrange(len(data))
    return data[:place] + chosen.randbytes(chosen.randrange(1, 9)) + data[place:]


def _deep(chosen: random.Random) -> bytes:
    levels = chosen.choice([64, 65, 66, 500, 520, 1_100, 4_000])
    return _HEAD + chosen.choice([b"\x91", b"\x81\xc0", b"\xdc\0\x01"]) * levels + b"\xc0"


def _wide(chosen: random.Random) -> bytes:
    count = chosen.choice([1_000, 4_000, _LARGEST - 100])
    return _HEAD + b"\xdd" + struct.pack(">I", count) + chosen.choice([b"\x90", b"\x80"]) * count


def _huge(chosen: random.Random) -> bytes:
    lead = bytes([chosen.choice([0xDD, 0xDF, 0xC6, 0xDB, 0xC9])])
    announced = struct.pack(">I", chosen.choice([100_000, 2**31 - 1, 2**31, 2**32 - 1]))
    return _HEAD + (lead + announced) * chosen.choice([1, 60, 900])


def _ext(chosen: random.Random) -> bytes:
    code, content = chosen.randrange(-128, 128), chosen.choice([b"", b"1", b"x" * 16, b"\x91\xc0"])
    return _HEAD + struct.pack(">BBb", 0xC7, len(content), code) + content


def _text(chosen: random.Random) -> bytes:
    raw = chosen.choice([b"\xff\xfe", b"\xed\xa0\x80", b"\xc0\xaf", b"\xf5\x80\x80\x80"])
    return _HEAD + bytes([0xA0 | len(raw)]) + raw


def _number(chosen: random.Random) -> bytes:
    return _HEAD + chosen.choice(
        [b"\xcb\x7f\xf8" + b"\0" * 6, b"\xcb\x7f\xf0" + b"\0" * 6, b"\xcf" + b"\xff" * 8]
        + [b"\xca\x7f\xa0\0\1", b"\xd3\x80" + b"\0" * 7]
    )


def _header(chosen: random.Random) -> bytes:
    name = chosen.choice(
        ["type", "id", "queue", "priority", "ttr", "failures", "errors", "retries", "timeout"]
        + ["backoff", "bounces", "depth", "expires", "bounced", "early"]
    )
    value = chosen.choice(
        [None, -1, 0, 1, 2**31 - 1, 2**64 - 1, float("nan"), float("inf"), "", "\r\n", "x" * 300]
        + [[], {}, [1], b"x"]
    )
    return bytes(msgpack.packb([1, {"type": TYPE, name: value}, None]))


def _key(chosen: random.Random) -> bytes:
    return _HEAD + chosen.choice(
        [b"\x81\x90\xc0", b"\x81\x80\xc0", b"\x82\xa1a\1\xa1a\2", b"\x81\xcb\x7f\xf8\0\0\0\0\0\0\1"]
        + [b"\x81\xc7\1\x07\x90\1", b"\x81\x91\x91\x90\1"]
    )


def _json(chosen: random.Random) -> bytes:
    start = f'{{"type": "{TYPE}", "body": '
    ends = ["NaN}", "1e999}", "18446744073709551616}", '"\\ud800"}', '{"a":1,"a":2}}', "[" * 5_000]
    ends += ["9" * 5_000 + "}", "null", "null}}", '"\0"}', "-0}", '[1,], "x": 1}', "{}} "]
    ends += ['1, "headers": []}', '1, "headers": {"id": "a b"}}', '1, "type": "t"}', "[]" * 9 + "}"]
    data = (start + chosen.choice(ends)).encode()
    return data.decode().encode("utf-16") if chosen.random() < 0.05 else data


def _signed(chosen: random.Random) -> bytes:
    inner = chosen.choice([_good(chosen), b"", b"\x93\x02", _flipped(chosen)])
    signature = chosen.choice([b"", chosen.randbytes(32), "text", None, 7])
    return bytes(msgpack.packb([2, signature, inner]))


def _wrapped(chosen: random.Random) -> bytes:
    inner: object = chosen.choice([b"", _cut(chosen), "text", None, [1]])
    for _ in range(chosen.choice([1, 1, 2, 30])):
        inner = msgpack.packb([1, {"type": "pulpo.undecodable"}, inner])
    assert isinstance(inner, bytes)
    return inner


def _commands(chosen: random.Random) -> bytes:
    command = chosen.choice([b"delete 1", b"put 0 0 60 2\r\nhi", b"quit", b"kick 100", b"bury 1 0"])
    return b"\r\n" * chosen.choice([0, 1, 2]) + command + b"\r\n"


def _plain_json(chosen: random.Random) -> bytes:
    return json.dumps({"type": TYPE, "body": chosen.choice([None, [1, 2], {"ü": "é"}])}).encode()


BODIES: dict[str, Callable[[random.Random], bytes]] = {
    "good": _good,
    "good JSON": _plain_json,
    "random": _random,
    "flipped": _flipped,
    "cut": _cut,
    "longer": _longer,
    "spliced": _spliced,
    "deep": _deep,
    "wide": _wide,
    "huge lengths": _huge,
    "ext": _ext,
    "bad text": _text,
    "odd numbers": _number,
    "odd headers": _header,
    "odd keys": _key,
    "JSON": _json,
    "signed": _signed,
    "wrapped": _wrapped,
    "commands": _commands,
}
# Large ones are seldom: a million of them would be 60 GB.
_KINDS = list(BODIES)
_WEIGHTS = [0.1 if kind == "wide" else 1.0 for kind in _KINDS]


def body(chosen: random.Random) -> tuple[str, bytes]:
    """Return a kind and a body of it."""
    (kind,) = chosen.choices(_KINDS, _WEIGHTS)
    return kind, BODIES[kind](chosen)[:_LARGEST]
