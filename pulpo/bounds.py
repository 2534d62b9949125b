"""How deep and how many: the limits of msgpack bytes, held before a value is made of them.

A few bytes may announce much: an unpacker that believes them makes room first. Here only lengths
are read, and nothing is made. Knows msgpack's layout, not what its values mean.
"""

from __future__ import annotations

from pulpo.errors import DecodeError

__all__ = ["check_bounds"]


def _following(byte: int) -> int:
    """Return how many bytes belong to a value of fixed length, after its first; -1 for others."""
    if byte <= 0x7F or byte >= 0xE0 or byte in (0xC0, 0xC2, 0xC3):
        return 0
    if 0xA0 <= byte <= 0xBF:
        return byte & 0x1F
    numbers = {0xCA: 4, 0xCB: 8, 0xCC: 1, 0xCD: 2, 0xCE: 4, 0xCF: 8}
    numbers |= {0xD0: 1, 0xD1: 2, 0xD2: 4, 0xD3: 8}
    fixed_ext = {0xD4: 2, 0xD5: 3, 0xD6: 5, 0xD7: 9, 0xD8: 17}
    return (numbers | fixed_ext).get(byte, -1)


_FOLLOWING = tuple(map(_following, range(256)))
# First byte: the width of the length behind it, and what comes on top of that length.
_TEXT_OR_BYTES = {
    0xC4: (1, 0),
    0xC5: (2, 0),
    0xC6: (4, 0),
    0xC7: (1, 1),
    0xC8: (2, 1),
    0xC9: (4, 1),
    0xD9: (1, 0),
    0xDA: (2, 0),
    0xDB: (4, 0),
}
# First byte: the width of the count behind it, and how many values each item has.
_CONTAINERS = {0xDC: (2, 1), 0xDD: (4, 1), 0xDE: (2, 2), 0xDF: (4, 2)}


def check_bounds(data: bytes, *, depth: int, items: int) -> None:
    """Raise `DecodeError` where containers are too deep, too full, or larger than the bytes.

    What is no msgpack for another reason passes: unpacking it will say so.
    """
    waiting: list[int] = []  # of each open container, how many values are still to come
    left, at, seen, size = 1, 0, 0, len(data)
    while at < size:
        while not left:
            if not waiting:
                return
            left = waiting.pop()
        left -= 1
        byte = data[at]
        at += 1
        following = _FOLLOWING[byte]
        if following >= 0:
            at += following
        elif byte in _TEXT_OR_BYTES:
            width, more = _TEXT_OR_BYTES[byte]
            at += width + more + int.from_bytes(data[at : at + width])
        else:
            count, at = _opened(data, byte, at)
            seen += count
            waiting.append(left)
            left = count
            if len(waiting) > depth:
                raise DecodeError(f"values are nested deeper than {depth} levels")
            if seen > items:
                raise DecodeError(f"more than {items} values in one job")
            if seen > size:
                raise DecodeError(f"{count} values are announced in {size} bytes: {data[:32]!r}")


def _opened(data: bytes, byte: int, at: int) -> tuple[int, int]:
    """Return how many values a container announces, and where they begin."""
    if byte <= 0x8F:
        return 2 * (byte & 0x0F), at
    if byte <= 0x9F:
        return byte & 0x0F, at
    if byte not in _CONTAINERS:
        raise DecodeError(f"not msgpack (byte {byte:#x}): {data[:32]!r}")
    width, each = _CONTAINERS[byte]
    return each * int.from_bytes(data[at : at + width]), at + width
