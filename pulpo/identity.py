"""Names that the outside sees: job ids, queue names, job type names, priorities.

Pure apart from `new_id`, which draws random bytes and reads the clock it is given.
"""

from __future__ import annotations

import os
import re
import time
from functools import lru_cache

from pulpo.errors import UsageError, WrongTypeError

__all__ = [
    "HIGH",
    "LOW",
    "MAX_PRIORITY",
    "NORMAL",
    "check_id",
    "check_key",
    "check_priority",
    "check_queue",
    "check_type",
    "derived_id",
    "is_id",
    "is_queue",
    "new_id",
    "new_ids",
    "published_at",
]

HIGH = 1_024
NORMAL = 65_536
LOW = 4_194_304
MAX_PRIORITY = 2**32 - 1

# One rule on all engines, or a move from the file to beanstalkd would fail at run time. It is
# beanstalkd's alphabet (doc/protocol.txt, "tube"), a first character that no shell minds.
_QUEUE = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.+/;$()-]{0,199}", re.ASCII)
_LONGEST_KEY = 300
_TYPE = re.compile(r"[^\s\x00-\x1f\x7f]{1,200}")


def check_queue(name: object) -> str:
    """Return the queue name, or say what is wrong with it."""
    if not isinstance(name, str):
        raise WrongTypeError(f"queue must be text: {name!r}")
    if not is_queue(name):
        raise UsageError(
            "queue must be 1 to 200 of A-Z a-z 0-9 _ . + / ; $ ( ) - and start with a letter "
            f"or digit: {name!r}"
        )
    return name


@lru_cache(maxsize=1_024)
def is_queue(name: str) -> bool:
    """Tell whether text can be a queue's name."""
    # Remembered: the same few in every job.
    return _QUEUE.fullmatch(name) is not None


def check_type(name: object) -> str:
    """Return the job type's name, or say what is wrong with it."""
    if not isinstance(name, str):
        raise WrongTypeError(f"type must be text: {name!r}")
    if not _TYPE.fullmatch(name) or not name.isprintable():
        raise UsageError(f"type must be 1 to 200 printable characters without spaces: {name!r}")
    return name


def check_priority(value: object) -> int:
    """Return the priority, or say what is wrong with it; lower is more urgent."""
    if type(value) is int and 0 <= value <= MAX_PRIORITY:
        return value
    if isinstance(value, bool) or not isinstance(value, int):
        raise WrongTypeError(f"priority must be a whole number: {value!r}")
    if not 0 <= value <= MAX_PRIORITY:
        raise UsageError(f"priority must be 0 (most urgent) to {MAX_PRIORITY}: {value!r}")
    return int(value)


def check_id(value: object) -> str:
    """Return the job id, or say what is wrong with it."""
    if not isinstance(value, str):
        raise WrongTypeError(f"id must be text: {value!r}")
    if not is_id(value):
        raise UsageError(f"id must be 1 to 64 printable ASCII characters: {value!r}")
    return value


def check_key(value: object) -> str:
    """Return the key of a guard, or say what is wrong with it."""
    if not isinstance(value, str):
        raise WrongTypeError(f"the key of a guard must be text: {value!r}")
    if not 1 <= len(value) <= _LONGEST_KEY or not value.isprintable():
        raise UsageError(
            f"the key of a guard is 1 to {_LONGEST_KEY} printable characters: {value!r}"
        )
    return value


def is_id(text: str) -> bool:
    """Tell whether text can be a job id."""
    # "!" to "~". Asked for every job, more than once: these cost half of a regular expression.
    return 0 < len(text) <= 64 and text.isascii() and text.isprintable() and " " not in text


def new_id() -> str:
    """Return a new job id: a UUIDv7 (RFC 9562, section 5.7), as text."""
    # Straight from the kernel each time: a forked child must never repeat its parent's ids.
    random = os.urandom(10).hex()
    stamp = _stamp_of(time.time_ns() // 1_000_000)
    return f"{stamp}{random[:3]}-{_VARIANT[random[3]]}{random[4:7]}-{random[8:]}"


def new_ids(count: int) -> list[str]:
    """Return job ids, all of this millisecond, from one read of the random source."""
    random, stamp = os.urandom(10 * count).hex(), _stamp_of(time.time_ns() // 1_000_000)
    return [
        f"{stamp}{random[at : at + 3]}-{_VARIANT[random[at + 3]]}"
        f"{random[at + 4 : at + 7]}-{random[at + 8 : at + 20]}"
        for at in range(0, 20 * count, 20)
    ]


def derived_id(name: str, moment: float) -> str:
    """Return the id that follows from a name and a moment in seconds: a UUIDv7 like any other.

    Whoever asks gets the same one, and no other name or moment has it.
    """
    from hashlib import sha256  # noqa: PLC0415  # few need it

    digest = sha256(f"{moment:.3f} {name}".encode()).hexdigest()
    return (
        f"{_stamp_of(int(moment * 1000))}{digest[:3]}-{_VARIANT[digest[3]]}{digest[4:7]}-"
        f"{digest[8:20]}"
    )


# The two bits that say RFC 9562, over any hexadecimal digit.
_VARIANT = {digit: "89ab"[int(digit, 16) & 3] for digit in "0123456789abcdef"}


@lru_cache(maxsize=1)
def _stamp_of(millisecond: int) -> str:
    # Many jobs are made within one.
    text = f"{millisecond:012x}"
    return f"{text[:8]}-{text[8:]}-7"


def published_at(id: str) -> float | None:
    """Return when a pulpo id was made, in seconds since the epoch; None for a foreign id."""
    try:
        return int(id[:8] + id[9:13], 16) / 1000 if len(id) == 36 and id[14] == "7" else None
    except ValueError:
        return None
