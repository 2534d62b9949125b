"""The jobs that this process holds: their leases, and the time that their runs have left.

Renews and interrupts; which verdict a run gets for that is decided in the loop.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from pulpo.adapter import QueueAdapter
from pulpo.clock import Clock
from pulpo.duration import as_text
from pulpo.errors import JobTimeoutError, QueueError
from pulpo.run import Run
from pulpo.worker.coroutines import CoroutinePool
from pulpo.worker.decide import Raised
from pulpo.worker.leases import due, over_time, overdue
from pulpo.worker.threads import ThreadPool

__all__ = ["Watch"]

_EVERY = 0.25
# How long a run that was told to end may take to do so.
_TO_CLEAN_UP = 2.0


class Watch:
    """Every job from its reservation to the answer to its settlement; the loop thread's."""

    def __init__(
        self,
        adapter: QueueAdapter,
        clock: Clock,
        threads: ThreadPool,
        coroutines: CoroutinePool,
    ) -> None:
        self._adapter = adapter
        self._clock = clock
        self._pools: tuple[ThreadPool, CoroutinePool] = (threads, coroutines)
        self._coroutines = coroutines
        self._next = 0.0
        self.held: dict[int, Run] = {}
        self._told: dict[Run, float] = {}

    def begin(self, run: Run, now: float) -> None:
        """A job was reserved."""
        run.renewed = now
        self.held[run.job.number] = run

    def end(self, run: Run) -> None:
        """A job was settled, or its lease was lost."""
        number = run.job.number
        if self.held.get(number) is run:
            del self.held[number]
        if self._told:
            self._told.pop(run, None)

    def is_held(self, run: Run) -> bool:
        """Tell whether a run's outcome is still wanted."""
        return self.held.get(run.job.number) is run

    def is_due(self, now: float) -> bool:
        """Tell whether it is time to look at leases and limits again."""
        if now < self._next or not self.held:
            return False
        self._next = now + _EVERY
        return True

    def renew(self, now: float) -> None:
        """Touch the leases that are a third over; mark those that turn out to be lost."""
        runs = due(self.held.values(), now)
        if not runs:
            return
        for run, answer in zip(runs, self._touch(runs), strict=True):
            if answer is True:
                run.renewed = now
                run.lost = False
            elif answer is False or overdue(run, now):
                # Where nobody answered, the queue may still have it for us: it is asked again.
                run.gone = answer is False
                run.lost = True
                # A thread can't be told; a coroutine can spare itself the rest.
                self._coroutines.cancel(run)

    def _touch(self, runs: Sequence[Run]) -> Sequence[bool | QueueError]:
        try:
            return self._adapter.touch([run.job for run in runs])
        except QueueError as error:
            # Out of reach: time limits hold all the same, so nothing else here may be missed.
            return [error] * len(runs)

    def past_saving(self, now: float) -> Iterator[tuple[Run, Raised]]:
        """Tell runs that are over their time to end; yield those that were told and did not."""
        for pool in self._pools:
            for run in over_time(pool.running(), now):
                told = self._told.setdefault(run, now)
                if now - told > (_TO_CLEAN_UP if run.over_time else 2 * _TO_CLEAN_UP):
                    pool.give_up(run)
                    yield run, Raised(_timed_out(run))
                elif not run.over_time:
                    # Not told for as long as pulpo itself is at work in its thread.
                    pool.interrupt(run)

    def seen_through(self, run: Run, result: object) -> object:
        """Return a result; an error of a run that was told to end is that of its time limit."""
        if not run.over_time or type(result) is not Raised:
            return result
        error = _timed_out(run)
        # Where it was when its time was over, which is what its author wants to know.
        error.__cause__ = result.error
        return Raised(error)


def _timed_out(run: Run) -> JobTimeoutError:
    return JobTimeoutError(f"timed out after {as_text(run.job_type.timeout)}")
