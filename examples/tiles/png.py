"""The smallest PNG writer: rows of grey pixels in, a file out."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Sequence


def grey(rows: Sequence[bytes]) -> bytes:
    """Return a PNG image of 8-bit grey; each row is one byte a pixel."""
    head = struct.pack(">IIBBBBB", len(rows[0]), len(rows), 8, 0, 0, 0, 0)
    data = zlib.compress(b"".join(b"\0" + row for row in rows))
    return (
        b"\x89PNG\r\n\x1a\n" + _chunk(b"IHDR", head) + _chunk(b"IDAT", data) + _chunk(b"IEND", b"")
    )


def _chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
