"""How many jobs a worker takes: what is free, and a little ahead of it for very short jobs.

What is reserved beyond the free slots is bounded in time, about 10 ms of measured work: more would
hold jobs that another worker could run, and let an urgent job wait behind them.
"""

from __future__ import annotations

import math

from pulpo.registry import Registry
from pulpo.run import Run
from pulpo.worker.coroutines import CoroutinePool
from pulpo.worker.execute import Finished
from pulpo.worker.gate import Gate
from pulpo.worker.lanes import Lanes
from pulpo.worker.settings import WorkerSettings
from pulpo.worker.threads import ThreadPool

__all__ = ["Room"]

AHEAD = 0.010
MOST_AHEAD = 256
# Waking a second thread pays only for more work than this, in seconds.
WORTH_A_THREAD = 0.001


class Room:
    """Free slots by queue, and the measured length of a plain handler's run."""

    def __init__(
        self,
        registry: Registry,
        settings: WorkerSettings,
        threads: ThreadPool,
        coroutines: CoroutinePool,
        gate: Gate | None = None,
    ) -> None:
        self._gate = gate
        #: None where neither a type nor a queue has slots of its own.
        self.lanes = Lanes.of(registry, settings)
        self._threads = threads
        self._coroutines = coroutines
        self.queues = settings.queues or tuple(registry.queues())
        every = {job_type.is_async for job_type in registry} or {False}
        own: dict[str, set[bool]] = {}
        for job_type in registry:
            own.setdefault(job_type.queue, set()).add(job_type.is_async)
        #: For each queue, whether plain and whether async handlers are to be expected.
        self._kinds = {queue: own.get(queue, every) for queue in self.queues}
        #: Queues with a suspect for which there was no thread.
        self._blocked: set[str] = set()
        self._seconds = AHEAD

    def now(self) -> tuple[tuple[str, ...], int]:
        """Return the queues that there is room for, and for how many jobs.

        A queue has the room of the smaller pool among its kinds: its next job may be of either.
        """
        plain, coroutine = self.left()
        rooms = {
            queue: min(coroutine if kind else plain for kind in kinds)
            for queue, kinds in self._kinds.items()
        }
        if self._blocked and plain > 0:
            self._blocked.clear()
        if self.lanes is not None:
            return self.lanes.narrowed(
                {queue: room for queue, room in rooms.items() if queue not in self._blocked}
            )
        open_queues = tuple(
            queue for queue, room in rooms.items() if room > 0 and queue not in self._blocked
        )
        return open_queues, min((rooms[queue] for queue in open_queues), default=0)

    @property
    def is_partial(self) -> bool:
        """Whether some queues were left out of the last call, which have room: it must not wait."""
        return self.lanes is not None and self.lanes.is_partial

    def left(self) -> tuple[int, int]:
        """Return how many more runs of plain and of async handlers can be taken."""
        threads, seconds = self._threads, self._seconds
        ahead = 0
        if seconds < AHEAD and threads.takes_ahead:
            ahead = min(int(AHEAD / max(seconds, 1e-6)), MOST_AHEAD)
        plain = threads.size - threads.in_hand + ahead
        coroutines = self._coroutines.size - self._coroutines.in_hand
        if self._gate is None:
            return plain, coroutines
        # What waits for an answer has its place, or there would be none once the answer comes.
        asked_plain, asked_coroutines = self._gate.in_hand
        return plain - asked_plain, coroutines - asked_coroutines

    def hands_for(self, count: int) -> int:
        """Return how many threads to wake for so many runs."""
        return min(max(math.ceil(count * self._seconds / WORTH_A_THREAD), 1), count)

    def had_none(self, run: Run) -> None:
        """A reserved job found no slot and goes back: it must not be reserved again at once."""
        if run.isolated:
            # A suspect, in a thread whatever its type: that queue waits for the next free one.
            self._blocked.add(run.queue)
        else:
            # Of a kind that none of the queue's own types is: there will be more.
            kinds = self._kinds.get(run.queue, set())
            self._kinds[run.queue] = kinds | {run.job_type.is_async}

    def learn(self, finished: Finished) -> None:
        """Take the length of a run into account."""
        self._seconds += 0.1 * (finished.ended - finished.run.started - self._seconds)

    def learn_slow(self) -> None:
        """Take into account that something runs for long: nothing more is taken ahead for now."""
        self._seconds = max(self._seconds, AHEAD)
