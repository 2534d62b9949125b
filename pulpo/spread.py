"""The order in which a range is looked at, so that whoever stops early has seen all parts of it.

Pure. Knows nothing of what stands at a place.
"""

from __future__ import annotations

from collections.abc import Iterator

__all__ = ["spread"]


def spread(count: int) -> Iterator[int]:
    """Yield 0 to `count` - 1, each once: the first ones far apart, then what lies between."""
    bits = max(count - 1, 0).bit_length()
    for number in range(1 << bits):
        # The digits of a counter in reverse: van der Corput's sequence.
        place = int(f"{number:0{bits}b}"[::-1], 2) if bits else 0
        if place < count:
            yield place
