"""The wire format: an envelope as bytes, and bytes as an envelope.

    [1, headers, body]            msgpack: the envelope
    [2, signature, envelope]      the same, signed: HMAC-SHA256 over the bytes of the envelope
    {"type": ..., "body": ..., "headers": {...}}      JSON, so that any language can publish

Values that msgpack does not know travel as ext types; the table is in the documentation, under
reference, wire format, and is a promise: numbers are never reused. Nothing is ever pickled, and
no name from a message is imported. Decoding is bounded: in size by the engine, in depth and in
count here and by `pulpo.bounds`. The codec is stateless apart from its keys; any thread may use it.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Mapping, Sequence
from datetime import date, datetime, time, timedelta
from typing import Any

import msgpack

from pulpo.bounds import check_bounds
from pulpo.envelope import Envelope, check_control
from pulpo.errors import DecodeError, EncodeError, SignatureError

__all__ = ["MAX_DEPTH", "MAX_ITEMS", "Codec", "is_signed"]

MAX_DEPTH = 64
MAX_ITEMS = 100_000
MAX_NESTED_SETS = 8

_ENVELOPE, _SIGNED = 1, 2
_DATETIME, _DATE, _TIME, _TIMEDELTA, _UUID, _DECIMAL, _SET, _FROZENSET = range(1, 9)

# Bytes that cannot open a container, see the msgpack specification: what is left after they are
# struck out is an upper bound of the depth, found in one pass in C.
_NOT_CONTAINERS = bytes(
    byte for byte in range(256) if not (0x80 <= byte <= 0x9F or 0xC7 <= byte <= 0xDF)
)
_JSON_TEXT = re.compile(rb'"(?:[^"\\]|\\.)*+"', re.DOTALL)
_NO_MARKS = bytes(byte for byte in range(256) if byte not in b",:[{")
_JSON_STARTS = (b"{", b" ", b"\t", b"\r", b"\n")


class Codec:
    """Encodes and decodes envelopes; signs and verifies where `keys` are given.

    The first key signs, every key verifies: so keys are rotated by putting the new one first.
    """

    def __init__(self, keys: Sequence[bytes] = ()) -> None:
        self._keys = tuple(keys)
        #: Whether jobs are signed, and none is trusted that is not.
        self.signs = bool(keys)
        self._local = threading.local()

    def encode(self, headers: Mapping[str, object], body: object) -> bytes:
        """Return the bytes of an envelope; raises `EncodeError` naming the value it can't take."""
        try:
            packed: bytes = self._packer().pack((_ENVELOPE, headers, body))
        except (TypeError, ValueError, OverflowError, RecursionError) as error:
            self._local.__dict__.clear()  # a Packer that raised may keep half a value
            from pulpo.culprit import way_to_culprit  # noqa: PLC0415  # rarely needed

            way = way_to_culprit({"headers": headers, "body": body}, _packs)
            raise EncodeError(f"{way}{_why_not(error)}") from error
        if _may_exceed(packed):
            _check_shape([_ENVELOPE, headers, body], EncodeError)
        if self._keys:
            return bytes(msgpack.packb((_SIGNED, _sign(self._keys[0], packed), packed)))
        return packed

    def complete(self, head: bytes, body: object) -> bytes | None:
        """Return the bytes of an envelope whose headers are bytes already: `head`, then the body.

        None where `encode` would say more about it: an error, or a look at its depth.
        """
        try:
            packed: bytes = self._packer().pack(body)
        except (TypeError, ValueError, OverflowError, RecursionError):
            self._local.__dict__.clear()  # as above
            return None
        # So few bytes cannot be nested too deep, see `_may_exceed`.
        is_odd = len(packed) > MAX_DEPTH and _may_exceed(head + packed)
        return None if is_odd else head + packed

    def decode(self, data: bytes) -> Envelope:
        """Return the envelope in `data`.

        Raises `DecodeError` for bytes that are no job, `SignatureError` where keys are set and
        none of them made the signature. Never anything else.
        """
        if self._keys:
            data = self._verified(data)
        elif data[:2] == b"\x93\x02":
            data = _signed_parts(data)[1]
        if data[:1] in _JSON_STARTS:
            return _from_json(data)
        parts = _unpack(data)
        if (
            type(parts) is not list
            or len(parts) != 3
            or type(parts[0]) is not int  # a signalling NaN does not even compare
            or parts[0] != _ENVELOPE
        ):
            raise DecodeError(f"not a pulpo job: {data[:32]!r}")
        headers = parts[1]
        if type(headers) is not dict:
            raise DecodeError(f"headers are not a map: {data[:32]!r}")
        check_control(headers)
        return Envelope(headers, parts[2])

    def _packer(self) -> msgpack.Packer:
        # One a thread: pack() calls back into Python for ext types, where threads may switch.
        try:
            return self._local.packer
        except AttributeError:
            self._local.packer = packer = msgpack.Packer(default=_to_ext)
            return packer

    def _verified(self, data: bytes) -> bytes:
        if data[:2] != b"\x93\x02":
            raise SignatureError("signing keys are set and the job is not signed")
        try:
            signature, payload = _signed_parts(data)
        except DecodeError as error:
            raise SignatureError(f"the job's signature cannot be read: {error}") from error
        from hmac import compare_digest  # noqa: PLC0415  # most have no keys

        if not any(compare_digest(_sign(key, payload), signature) for key in self._keys):
            raise SignatureError("the job's signature fits none of the signing keys")
        return payload


def is_signed(data: bytes) -> bool:
    """Tell whether a job says that it is signed; whether that is true is not asked."""
    return data[:2] == b"\x93\x02"


def _packs(value: object) -> bool:
    try:
        msgpack.packb(value, default=_to_ext)
    except (TypeError, ValueError, OverflowError, RecursionError):
        return False
    return True


def _sign(key: bytes, payload: bytes) -> bytes:
    from hmac import digest  # noqa: PLC0415  # most have no keys

    return digest(key, payload, "sha256")


def _signed_parts(data: bytes) -> tuple[bytes, bytes]:
    parts = _unpack(data)
    if (
        type(parts) is list
        and len(parts) == 3
        and type(parts[1]) is bytes
        and type(parts[2]) is bytes
    ):
        return parts[1], parts[2]
    raise DecodeError(f"not a signed pulpo job: {data[:32]!r}")


def _unpack(data: bytes) -> Any:  # any value that msgpack can hold
    is_odd = _may_exceed(data)
    if is_odd:
        check_bounds(data, depth=MAX_DEPTH + 2, items=MAX_ITEMS)
    most = min(MAX_ITEMS, len(data))  # room is made for what is announced
    try:
        try:
            value = msgpack.unpackb(data, max_array_len=most, max_map_len=most, **_UNPACKING)
        except TypeError:
            # An array as a key in a map: it was a tuple, and a list can't be a key.
            value = _lists(
                msgpack.unpackb(
                    data, use_list=False, max_array_len=most, max_map_len=most, **_UNPACKING
                )
            )
    except DecodeError:
        raise
    except Exception as error:  # also MemoryError: no bytes of a stranger's end a worker
        raise DecodeError(f"not msgpack ({_first_line(error)}): {data[:32]!r}") from error
    if is_odd:  # once more, for what is in sets
        _check_shape(value, DecodeError)
    return value


def _lists(value: object) -> object:
    """Return the value with its tuples as lists, those in keys and sets excepted."""
    if type(value) is tuple:
        return [_lists(item) for item in value]
    if type(value) is dict:
        return {key: _lists(item) for key, item in value.items()}
    return value


def _from_json(data: bytes) -> Envelope:
    # Each value but the first has a comma or a colon before it, or opens a container.
    if len(data) > MAX_ITEMS and len(_JSON_TEXT.sub(b"", data).translate(None, _NO_MARKS)) > (
        2 * MAX_ITEMS
    ):
        raise DecodeError(f"more than {MAX_ITEMS} values in one job: {data[:32]!r}")
    import json  # noqa: PLC0415  # a producer writes none

    try:
        # Not json.loads(data): that one guesses the encoding, and lets surrogates pass.
        found = json.loads(
            data.decode(),
            parse_constant=_no_constant,
            parse_int=_small_int,
            object_pairs_hook=_no_key_twice,
        )
        if b"\\u" in data:
            json.dumps(found, ensure_ascii=False).encode()  # a retry could not write it again
    except Exception as error:  # as above
        raise DecodeError(f"not JSON ({_first_line(error)}): {data[:32]!r}") from error
    if type(found) is not dict:
        raise DecodeError(f"a JSON job is an object: {data[:32]!r}")
    _check_shape(found, DecodeError)
    headers = found.get("headers")
    headers = {} if headers is None else headers
    if type(headers) is not dict:
        raise DecodeError(f"headers are not an object: {str(headers)[:100]!r}")
    if "type" not in found:
        raise DecodeError(f'a JSON job needs a "type": {data[:64]!r}')
    headers = {**headers, "type": found["type"]}
    check_control(headers)
    return Envelope(headers, found.get("body"))


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is no JSON")


def _no_key_twice(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) < len(pairs):
        # Two readers may disagree on which one counts: nobody can say what was meant.
        names = [name for name, _ in pairs]
        raise ValueError(f"key {next(n for n in names if names.count(n) > 1)[:50]!r} comes twice")
    return found


def _small_int(text: str) -> int:
    value = int(text)
    if not -(2**63) <= value < 2**64:
        raise ValueError(f"whole numbers must fit 64 bits: {text[:32]}")
    return value


def _may_exceed(packed: bytes) -> bool:
    # Every value is a byte at least: what is short and has few containers needs no walk.
    return len(packed) > MAX_ITEMS or len(packed.translate(None, _NOT_CONTAINERS)) > MAX_DEPTH


def _check_shape(value: object, error: type[DecodeError] | type[EncodeError]) -> None:
    """Walk a value level by level; raise where it is deeper or larger than the limits."""
    level, depth, items = [value], 0, 0
    while level:
        below: list[object] = []
        for item in level:
            if isinstance(item, dict):
                below.extend(item.keys())
                below.extend(item.values())
            elif isinstance(item, list | tuple | set | frozenset):
                below.extend(item)
        depth, items = depth + 1, items + len(below)
        # The envelope is two levels by itself: its list, and the values in it.
        if depth > MAX_DEPTH + 2:
            raise error(f"values are nested deeper than {MAX_DEPTH} levels")
        if items > MAX_ITEMS:
            raise error(f"more than {MAX_ITEMS} values in one job")
        level = below


def _to_ext(value: object, nested: int = 0) -> msgpack.ExtType:
    match value:
        case datetime():
            return msgpack.ExtType(_DATETIME, value.isoformat().encode())
        case date():
            return msgpack.ExtType(_DATE, value.isoformat().encode())
        case time():
            return msgpack.ExtType(_TIME, value.isoformat().encode())
        case timedelta():
            return msgpack.ExtType(_TIMEDELTA, b"%d" % (value // timedelta(microseconds=1)))
        case set() | frozenset():
            return _set_to_ext(value, nested)
    return _rare_to_ext(value)


def _rare_to_ext(value: object) -> msgpack.ExtType:
    from decimal import Decimal  # noqa: PLC0415  # these two cost a producer three milliseconds
    from uuid import UUID  # noqa: PLC0415

    match value:
        case UUID():
            return msgpack.ExtType(_UUID, value.bytes)
        case Decimal():
            return msgpack.ExtType(_DECIMAL, str(value).encode())
    raise _misfit(value)


def _misfit(value: object) -> TypeError | OverflowError:
    if isinstance(value, int):  # msgpack asks about those that are too large for itself
        return OverflowError(f"this one has {value.bit_length()}")
    return TypeError(f"no place on the wire for a value of type {type(value).__qualname__!r}")


def _set_to_ext(value: set[Any] | frozenset[Any], nested: int) -> msgpack.ExtType:
    if nested >= MAX_NESTED_SETS:
        raise ValueError(f"sets are nested deeper than {MAX_NESTED_SETS} levels")
    code = _SET if isinstance(value, set) else _FROZENSET
    members = msgpack.packb(list(value), default=lambda item: _to_ext(item, nested + 1))
    return msgpack.ExtType(code, members)


def _from_ext(code: int, data: bytes, nested: int = 0) -> object:
    try:
        return _ext_value(code, bytes(data), nested)
    except DecodeError:
        raise
    except Exception as error:  # whatever a value's own reader minds
        raise DecodeError(f"bad ext type {code} ({_first_line(error)}): {data[:32]!r}") from error


_UNPACKING: dict[str, Any] = {"strict_map_key": False, "timestamp": 3, "ext_hook": _from_ext}


def _ext_value(code: int, data: bytes, nested: int) -> object:
    match code:
        case 1:
            return datetime.fromisoformat(data.decode("ascii"))
        case 2:
            return date.fromisoformat(data.decode("ascii"))
        case 3:
            return time.fromisoformat(data.decode("ascii"))
        case 4:
            return timedelta(microseconds=int(data[:32]))
        case 5 | 6:
            return _rare_value(code, data)
        case 7 | 8:
            members = _members(data, nested)
            return set(members) if code == _SET else frozenset(members)
    raise DecodeError(f"unknown ext type {code}: {data[:32]!r}")


def _rare_value(code: int, data: bytes) -> object:
    from decimal import Decimal  # noqa: PLC0415  # as above
    from uuid import UUID  # noqa: PLC0415

    return UUID(bytes=data) if code == _UUID else Decimal(data.decode("ascii"))


def _members(data: bytes, nested: int) -> list[object]:
    if nested >= MAX_NESTED_SETS:
        raise DecodeError(f"sets are nested deeper than {MAX_NESTED_SETS} levels")
    if _may_exceed(data):
        check_bounds(data, depth=MAX_DEPTH, items=MAX_ITEMS)
    found = msgpack.unpackb(
        data,
        use_list=False,  # members are hashable, so arrays among them were tuples
        strict_map_key=False,
        timestamp=3,
        ext_hook=lambda code, inner: _from_ext(code, inner, nested + 1),
        max_array_len=min(MAX_ITEMS, len(data)),
    )
    if type(found) is not tuple:
        raise DecodeError(f"a set is not an array: {data[:32]!r}")
    return list(found)


def _why_not(error: Exception) -> str:
    text = _first_line(error)
    if isinstance(error, RecursionError) or "recursion" in text:
        return f"values are nested deeper than {MAX_DEPTH} levels, or hold themselves"
    if isinstance(error, UnicodeEncodeError):
        return f"text with a lone surrogate has no UTF-8: {error.object[:50]!r}"
    if isinstance(error, OverflowError):
        return f"whole numbers must fit 64 bits: {text}"
    if isinstance(error, TypeError):
        return f"{text}; pass plain values: text, numbers, lists, dicts, dates, UUID, Decimal, sets"
    return text


def _first_line(error: BaseException) -> str:
    return (str(error) or type(error).__name__).splitlines()[0][:200]
