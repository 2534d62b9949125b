"""Whether the disk has room for new jobs.

A full disk refuses deletes too, so putting stops while there is still room for settling.
"""

from __future__ import annotations

from pathlib import Path

from pulpo.clock import Clock
from pulpo.errors import QueueFullError
from pulpo.folders import free_bytes

__all__ = ["LEAST_FREE", "Room"]

LEAST_FREE = 32 * 2**20
_BYTES_BETWEEN_LOOKS = 4 * 2**20
_SECONDS_BETWEEN_LOOKS = 1.0


class Room:
    """What is left on one disk, looked up once a second or every few megabytes; one thread."""

    def __init__(self, folder: Path, clock: Clock) -> None:
        self._folder = folder
        self._clock = clock
        self._until = 0.0
        self._bytes = 0

    def refusal(self, size: int) -> QueueFullError | None:
        """Return why so many bytes are not accepted now, or None."""
        now = self._clock.monotonic()
        self._bytes -= size
        if 0 <= self._until - now <= _SECONDS_BETWEEN_LOOKS and self._bytes > 0:
            return None
        free = free_bytes(self._folder) - size
        if free < LEAST_FREE:
            self._bytes = 0  # look again at the next put
            return QueueFullError(
                f"less than {LEAST_FREE >> 20} MB are free on the disk of the queue file "
                f"({max(free, 0) >> 20} MB): {str(self._folder)!r}"
            )
        self._until = now + _SECONDS_BETWEEN_LOOKS
        self._bytes = _BYTES_BETWEEN_LOOKS
        return None
