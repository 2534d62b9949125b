"""One text of bytes for values that mean the same on the wire, whatever order they were written in.

Maps and sets have no order, a tuple is a list, and an aware datetime is its instant. Everything
else is what it is: 7, 7.0 and "7" are three values. Pure; the bytes are for digests and are never
read back.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from datetime import UTC, date, datetime, time, timedelta

from pulpo.errors import EncodeError

__all__ = ["canonical"]


def canonical(value: object) -> bytes:
    """Return the bytes of a value; raises `EncodeError` for one that has no place on the wire."""
    try:
        return _bytes(value)
    except RecursionError:
        raise EncodeError("values are nested too deep, or hold themselves") from None


def _bytes(value: object) -> bytes:
    match value:
        case None:
            return b"n"
        case bool():
            return b"b1" if value else b"b0"
        case int():
            return b"i%d;" % value
        case float():
            return b"f" + struct.pack(">d", value)
        case str():
            return _framed(b"s", value.encode("utf-8", "surrogatepass"))
        case bytes() | bytearray() | memoryview():
            return _framed(b"r", bytes(value))
    return _container(value)


def _container(value: object) -> bytes:
    match value:
        case list() | tuple():
            return _framed(b"l", b"".join(map(_bytes, value)))
        case Mapping():
            pairs = sorted(_bytes(key) + _bytes(item) for key, item in value.items())
            return _framed(b"m", b"".join(pairs))
        case set() | frozenset():
            return _framed(b"e", b"".join(sorted(map(_bytes, value))))
    return _rare(value)


def _framed(tag: bytes, data: bytes) -> bytes:
    # With its length, so that no two lists of values have the same bytes.
    return b"%b%d:%b" % (tag, len(data), data)


def _rare(value: object) -> bytes:
    match value:
        case datetime() if value.utcoffset() is not None:
            return _framed(b"t", value.astimezone(UTC).isoformat().encode())
        case datetime() | date() | time():
            return _framed(b"d", value.isoformat().encode())
        case timedelta():
            return b"u%d;" % (value // timedelta(microseconds=1))
    from decimal import Decimal  # noqa: PLC0415  # these two cost a producer three milliseconds
    from uuid import UUID  # noqa: PLC0415

    match value:
        case UUID():
            return b"g" + value.bytes
        case Decimal():
            return _framed(b"c", str(value).encode())
    raise EncodeError(f"no place on the wire for a value of type {type(value).__qualname__!r}")
