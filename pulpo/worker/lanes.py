"""How many runs of one type, or out of one queue, this process has at once: no facts, no questions.

So that a slow type, or a queue, cannot take every thread. What comes beyond the slots of its type
waits here for the next one, as many as there are slots; the rest goes back with a delay, or it
would be reserved again at once, and what lies behind it in the queue never.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Mapping

from pulpo.registry import Registry
from pulpo.run import Run
from pulpo.worker.settings import WorkerSettings

__all__ = ["Lanes"]


class Lanes:
    """The slots of types and queues; the loop thread's."""

    def __init__(self, registry: Registry, settings: WorkerSettings) -> None:
        self._types = {kind.type: kind.slots for kind in registry if kind.slots is not None}
        self._queues = dict(settings.queue_slots)
        own: dict[str, list[int | None]] = {}
        for kind in registry:
            own.setdefault(kind.queue, []).append(kind.slots)
        #: Queues with nothing but such types, as far as is known: what all of them have together.
        self._sums = {
            queue: sum(slot for slot in slots if slot is not None)
            for queue, slots in own.items()
            if None not in slots
        }
        self._taken: dict[Run, None] = {}
        self._of_type: Counter[str] = Counter()
        self._of_queue: Counter[str] = Counter()
        self._waiting: dict[str, deque[Run]] = {}
        self._closed: dict[str, str] = {}
        self._asked = 0
        self._was_full = False
        #: Whether the last call was for some of the queues only, and must not wait.
        self.is_partial = False

    @classmethod
    def of(cls, registry: Registry, settings: WorkerSettings) -> Lanes | None:
        """Return the lanes of a worker; None where nobody has said a number."""
        some = settings.queue_slots or any(kind.slots is not None for kind in registry)
        return cls(registry, settings) if some else None

    def take(self, run: Run) -> bool:
        """Give a run its slot; False where its type has none left."""
        type = run.job_type.type
        most = self._types.get(type)
        if most is None:
            self._sums.pop(run.queue, None)  # it holds others, too
        elif self._of_type[type] >= most:
            return False
        self._of_type[type] += 1
        self._of_queue[run.queue] += 1
        self._taken[run] = None
        return True

    def end(self, run: Run) -> None:
        """Take a run's slot back; twice is once."""
        if self._taken.pop(run, self) is self:
            return
        type = run.job_type.type
        self._of_type[type] -= 1
        self._of_queue[run.queue] -= 1
        self._closed = {queue: kind for queue, kind in self._closed.items() if kind != type}

    def wait(self, run: Run) -> bool:
        """Let a run wait here for a slot of its type; False where enough do."""
        waiting = self._waiting.setdefault(run.job_type.type, deque())
        if len(waiting) >= self._types[run.job_type.type]:
            return False
        waiting.append(run)
        return True

    def close(self, run: Run) -> None:
        """Ask for nothing more of a run's queue until a slot of its type is free."""
        self._closed[run.queue] = run.job_type.type

    def begin(self) -> list[Run]:
        """Return the runs that have waited and have a slot now."""
        found = []
        for waiting in self._waiting.values():
            while waiting and self.take(waiting[0]):
                found.append(waiting.popleft())
        return found

    def take_back(self) -> list[Run]:
        """Return the runs that wait, and let them wait no longer."""
        runs = [run for waiting in self._waiting.values() for run in waiting]
        self._waiting.clear()
        return runs

    def narrowed(self, rooms: Mapping[str, int]) -> tuple[tuple[str, ...], int]:
        """Return which queues to ask, and for how many jobs, by the room that each has in pools.

        One number goes for all queues of a call, that of the smallest. Where that has held up the
        others, the next call is for them alone.
        """
        free = {queue: self._free(queue, room) for queue, room in rooms.items()}
        open_queues = {q: room for q, room in free.items() if room > 0 and q not in self._closed}
        narrow = min(open_queues.values(), default=0)
        wide = {q: room for q, room in open_queues.items() if room == rooms[q]}
        self.is_partial = bool(self._was_full and wide and min(wide.values()) > narrow)
        self._was_full = False
        if self.is_partial:
            open_queues = wide
        self._asked = min(open_queues.values(), default=0)
        return tuple(open_queues), self._asked

    def came(self, count: int) -> None:
        """So many jobs have come in answer to the last call."""
        self._was_full = not self.is_partial and 0 < self._asked <= count

    def _free(self, queue: str, room: int) -> int:
        slots = [most[queue] for most in (self._queues, self._sums) if queue in most]
        return min(room, min(slots) - self._of_queue[queue]) if slots else room
