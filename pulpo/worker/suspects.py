"""Which jobs are suspects: two runs of them have ended without a word.

Where the queue counts crashes itself the count comes with the job. Elsewhere asking costs a round
trip, so it is asked seldom: for the first jobs of a process, when what killed its predecessor comes
by, and for a while after any process of this worker has died. Runs nothing.
"""

from __future__ import annotations

from collections.abc import Sequence

from pulpo.adapter import QueueAdapter
from pulpo.errors import QueueError
from pulpo.job import Capabilities, Job
from pulpo.system import SharedMoment

__all__ = ["Suspicion"]

_CRASHES = 2
# In seconds. A dead worker's jobs are ready at once and come first: they are among so many first
# ones, and none is left where the queue had nothing to give for a moment.
_AFTER_START, _AFTER_DEATH = 10.0, 60.0
_FIRST, _MOMENT = 1_000, 0.25


class Suspicion:
    """Looks at the crash counts of reserved jobs; the loop thread's.

    `last_death` is when a process of this worker last died, told by the supervisor.
    """

    def __init__(
        self, adapter: QueueAdapter, last_death: SharedMoment | None, *, started: float
    ) -> None:
        self._adapter = adapter
        self._last_death = last_death
        self._until = started + _AFTER_START
        self._left = _FIRST

    def among(
        self, jobs: Sequence[Job], engine: Capabilities, now: float, *, waited: float = 0.0
    ) -> frozenset[int]:
        """Return the numbers of the suspects among jobs that were reserved after so long a wait."""
        if engine.counts_crashes:
            return frozenset(job.number for job in jobs if (job.crashes or 0) >= _CRASHES)
        if waited > _MOMENT:
            self._left = 0
        if not self._is_time_to_ask(now):
            return frozenset()
        self._left -= len(jobs)
        try:
            counts = self._adapter.crashes(jobs)
        except QueueError:
            # These jobs are ours already: not knowing must not keep them from running.
            return frozenset()
        return frozenset(
            job.number for job, count in zip(jobs, counts, strict=True) if count >= _CRASHES
        )

    def _is_time_to_ask(self, now: float) -> bool:
        if self._left > 0 and now < self._until:
            return True
        return self._last_death is not None and now - self._last_death.get() < _AFTER_DEATH
