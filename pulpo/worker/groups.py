"""Which process groups belong to a worker, in memory that all of its processes share.

What a handler starts is in the group of the process it runs in, so whoever ends a group ends that
as well. The table is read when its writers may be dead already: that is why it is no message.
Knows numbers only, not what runs there.
"""

from __future__ import annotations

import mmap
import signal
import struct
import threading

from pulpo.system import kill_group

__all__ = ["GroupRow", "Groups"]

_CELL = struct.Struct("q")
# In each row one group is the worker process' own; these may be added for its sandboxes' ends.
_SPARE = 8


class Groups:
    """A table with a row for each worker process; made before the first fork."""

    def __init__(self, rows: int, threads: int) -> None:
        self._width = 1 + threads + _SPARE
        self._memory = mmap.mmap(-1, rows * self._width * _CELL.size)

    def row(self, number: int) -> GroupRow:
        """Return the row of one worker process, counted from 0."""
        return GroupRow(self._memory, number * self._width, self._width)

    def living(self) -> list[int]:
        """Return the groups of all rows."""
        found = [number for (number,) in _CELL.iter_unpack(self._memory[:])]
        # 0 is a free cell; whatever else is no number of a group may be a handler's wild write.
        return [number for number in found if 1 < number < 2**31]

    def kill(self) -> None:
        """End every process of every group at once."""
        for number in self.living():
            kill_group(number, signal.SIGKILL)


class GroupRow:
    """The groups of one worker process: its own, and one for each of its sandboxes; any thread."""

    def __init__(self, memory: mmap.mmap, start: int, width: int) -> None:
        self._memory = memory
        self._start = start
        self._width = width
        self._lock = threading.Lock()

    @classmethod
    def alone(cls, threads: int) -> GroupRow:
        """Return a row that nobody else looks at."""
        return Groups(1, threads).row(0)

    def add(self, number: int) -> None:
        """A group lives from now on; raises `OSError` where the row is full."""
        self._replace(0, number)

    def remove(self, number: int) -> None:
        """A group has ended."""
        self._replace(number, 0)

    def kill(self) -> None:
        """End every process of these groups, and forget them."""
        for cell in range(self._width):
            number = self._get(cell)
            if 1 < number < 2**31:
                kill_group(number, signal.SIGKILL)
            self._set(cell, 0)

    def _replace(self, old: int, new: int) -> None:
        with self._lock:
            for cell in range(self._width):
                if self._get(cell) == old:
                    self._set(cell, new)
                    return
        if new:
            raise OSError("no room to note another process group")

    def _get(self, cell: int) -> int:
        number: int = _CELL.unpack_from(self._memory, (self._start + cell) * _CELL.size)[0]
        return number

    def _set(self, cell: int, number: int) -> None:
        _CELL.pack_into(self._memory, (self._start + cell) * _CELL.size, number)
