"""Jobs in memory, and lines of them: who comes first.

Knows no queue, no clock and no lock.
"""

from __future__ import annotations

from dataclasses import dataclass
from heapq import heapify, heappop, heappush

from pulpo.job import JobState, NewJob

__all__ = ["Entry", "Line"]

# So many who left are carried along before a line is tidied up.
_FEW = 64


@dataclass(slots=True, eq=False)
class Entry:
    """A job in the store.

    It stands in one line at most: `ticket` is its ticket there. `owner` is who reserved it last
    and has not settled it, also after the lease ran out; `run` counts the reservations. `due` is
    the monotonic second at which its delay is over.
    """

    number: int
    job: NewJob
    state: JobState = JobState.READY
    due: float = 0.0
    line: Line | None = None
    ticket: int = 0
    owner: object = None
    run: int = 0
    crashes: int = 0


class Line:
    """Entries by a key, then by their number; every step costs the logarithm of the length.

    Who leaves from the middle is only crossed out, and taken away with many others at once.
    """

    def __init__(self) -> None:
        self._heap: list[tuple[float, int, int, Entry]] = []
        self._tickets = 0
        self._left = 0

    def push(self, key: float, entry: Entry) -> None:
        """Let an entry, which stands in no line, join this one."""
        self._tickets += 1
        entry.line, entry.ticket = self, self._tickets
        heappush(self._heap, (key, entry.number, self._tickets, entry))

    def head(self) -> tuple[float, int, int, Entry] | None:
        """Return who is first, behind its key and number; None if nobody is there."""
        heap = self._heap
        while heap:
            first = heap[0]
            if first[3].line is self and first[3].ticket == first[2]:
                return first
            heappop(heap)
            self._left -= 1
        return None

    def leave(self, entry: Entry) -> None:
        """Let an entry go, wherever in the line it stands."""
        entry.line = None
        self._left += 1
        if self._left > _FEW and self._left * 2 > len(self._heap):
            self._heap = [
                item for item in self._heap if item[3].line is self and item[3].ticket == item[2]
            ]
            heapify(self._heap)
            self._left = 0
