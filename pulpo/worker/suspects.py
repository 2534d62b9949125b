"""Which jobs are suspects: two runs of them have ended without a word.

Where the queue counts crashes itself the count comes with the job. Elsewhere asking costs a round
trip, so it is asked seldom: at the start of a process, when what killed its predecessor comes by,
and for a while after any process of this worker has died. Runs nothing.
"""

from __future__ import annotations

from collections.abc import Sequence

from pulpo.adapter import QueueAdapter
from pulpo.errors import QueueError
from pulpo.job import Capabilities, Job
from pulpo.system import SharedMoment

__all__ = ["Suspicion"]

_CRASHES = 2
_AFTER_START, _AFTER_DEATH = 10.0, 60.0


class Suspicion:
    """Looks at the crash counts of reserved jobs; the loop thread's.

    `last_death` is when a process of this worker last died, told by the supervisor.
    """

    def __init__(
        self, adapter: QueueAdapter, last_death: SharedMoment | None, *, started: float
    ) -> None:
        self._adapter = adapter
        self._last_death = last_death
        self._started = started

    def among(self, jobs: Sequence[Job], engine: Capabilities, now: float) -> frozenset[int]:
        """Return the numbers of the suspects among freshly reserved jobs."""
        if engine.counts_crashes:
            return frozenset(job.number for job in jobs if (job.crashes or 0) >= _CRASHES)
        if not self._is_time_to_ask(now):
            return frozenset()
        try:
            counts = self._adapter.crashes(jobs)
        except QueueError:
            # These jobs are ours already: not knowing must not keep them from running.
            return frozenset()
        return frozenset(
            job.number for job, count in zip(jobs, counts, strict=True) if count >= _CRASHES
        )

    def _is_time_to_ask(self, now: float) -> bool:
        if now - self._started < _AFTER_START:
            return True
        return self._last_death is not None and now - self._last_death.get() < _AFTER_DEATH
