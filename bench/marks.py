"""When each job started and ended: one file of stamps, mapped by the driver and by every worker.

A job stores CLOCK_MONOTONIC, which all processes of a machine share, in its own slot and counts
its run in one byte: no system call, no lock, under a microsecond. So what is measured is the same
for pulpo, for a bare loop and for another library. Nothing but the standard library is imported:
the environments of others see this file too.
"""

from __future__ import annotations

import mmap
import struct
import time
from pathlib import Path

__all__ = ["Marks"]

_STAMP = struct.Struct("=q")
_SLOT = 2 * _STAMP.size + 1


class Marks:
    """The stamps of jobs 0 to `n` - 1; any thread. First all starts, then all ends, then counts."""

    def __init__(self, shared: mmap.mmap) -> None:
        self._map = shared
        self._n = len(shared) // _SLOT
        self._ends = self._n * _STAMP.size
        self._counts = 2 * self._ends

    @classmethod
    def create(cls, path: Path, n: int) -> Marks:
        """Make the file with room for `n` jobs, none of which has run."""
        with path.open("wb") as file:
            file.truncate(n * _SLOT)
        return cls.open(path)

    @classmethod
    def open(cls, path: Path) -> Marks:
        """Map the file that the driver has made."""
        with path.open("r+b") as file:
            return cls(mmap.mmap(file.fileno(), 0))

    def stamp(self, number: int) -> None:
        """Be the body of a job that does nothing: its start is its run."""
        shared, slot = self._map, self._counts + number
        _STAMP.pack_into(shared, number * _STAMP.size, time.monotonic_ns())
        shared[slot] = (shared[slot] + 1) & 255

    def begin(self, number: int) -> None:
        """Stamp the start of a job that takes time; it does not count as run before its end."""
        _STAMP.pack_into(self._map, number * _STAMP.size, time.monotonic_ns())

    def end(self, number: int) -> None:
        shared, slot = self._map, self._counts + number
        _STAMP.pack_into(shared, self._ends + number * _STAMP.size, time.monotonic_ns())
        shared[slot] = (shared[slot] + 1) & 255

    def done(self) -> int:
        """Return how many jobs have run."""
        return self._n - self._map[self._counts :].count(0)

    def missing(self) -> list[int]:
        """Return the jobs that have not run."""
        return [number for number, runs in enumerate(self._map[self._counts :]) if not runs]

    def twice(self) -> int:
        """Return how many jobs have run more than once."""
        counts = self._map[self._counts :]
        return self._n - counts.count(0) - counts.count(1)

    def started(self, number: int) -> int:
        """Return when a job started, in nanoseconds; 0 if it has not."""
        stamp: int = _STAMP.unpack_from(self._map, number * _STAMP.size)[0]
        return stamp

    def starts(self, n: int, first: int = 0) -> tuple[int, ...]:
        """Return when `n` jobs started, in nanoseconds."""
        return struct.unpack_from(f"={n}q", self._map, first * _STAMP.size)

    def ends(self, n: int) -> tuple[int, ...]:
        """Return when the first `n` jobs ended, in nanoseconds; those that take time only."""
        return struct.unpack_from(f"={n}q", self._map, self._ends)

    def close(self) -> None:
        self._map.close()
