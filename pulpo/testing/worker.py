"""The worker of a test: it runs what is due when the test says so, and lives through time.

How one turn goes is said in `pulpo.testing.turn`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Protocol

from pulpo.duration import Duration, seconds
from pulpo.errors import UsageError
from pulpo.job import JobState
from pulpo.message import Message
from pulpo.outcome import Outcome
from pulpo.testing import performing
from pulpo.testing.clock import TrialClock
from pulpo.testing.loops import Loops
from pulpo.testing.runs import Runs
from pulpo.testing.turn import Turn
from pulpo.worker.journal import Ended

if TYPE_CHECKING:
    from pulpo.app import Pulpo

__all__ = ["ByTheClock", "TrialWorker"]

# So many runs without an end are a job that publishes itself, or puts itself off by nothing.
_MOST_RUNS = 10_000
# A step in time, in seconds, is never shorter: a sum of floats may fall short of its due moment.
_SHORTEST_STEP = 1e-6


class ByTheClock(Protocol):
    """What a worker does when its time has come, beside running jobs."""

    def tick(self) -> None:
        """Do what is due now."""
        ...

    def wait(self) -> float | None:
        """Return in how many seconds the next thing is due; None for never."""
        ...


class TrialWorker:
    """Runs the jobs of an app in the thread of the test; made by `pulpo.testing.trial`.

    It serves the queues that a worker without `-q` serves, and those that a known type was
    published to.
    """

    def __init__(
        self,
        app: Pulpo,
        clock: TrialClock,
        published: Callable[[], Iterator[tuple[str, str]]],
    ) -> None:
        self._app = app
        self._clock = clock
        self._published = published
        #: Asked at each turn what is due; time stops at each of their moments.
        self.by_the_clock: list[ByTheClock] = []
        #: Called with the runs whose outcomes the queue has taken.
        self.told: list[Callable[[Sequence[Ended]], None]] = []
        self._admin = app.engine.admin()
        self._loops = Loops()

    def run(self, *, at_most: int | None = None) -> Runs:
        """Run what is due, and what comes of it, until nothing is due or `at_most` runs are done.

        An error of a handler is not raised: it goes by the rules, and is in the result.
        """
        self._tick()
        runs = _ended(self._turn(at_most, self._loops).run(), at_most)
        while at_most is None and self._is_due():
            self._tick()
            runs = _ended(Runs([*runs, *self._turn(at_most, self._loops).run()]), at_most)
        return runs

    async def arun(self, *, at_most: int | None = None) -> Runs:
        """Like `run`, for async tests; `async def` handlers run on the test's own event loop."""
        self._tick()
        runs = _ended(await self._turn(at_most, None).arun(), at_most)
        while at_most is None and self._is_due():
            self._tick()
            runs = _ended(Runs([*runs, *await self._turn(at_most, None).arun()]), at_most)
        return runs

    def run_for(self, duration: Duration) -> Runs:
        """Let time pass, and run each job at the moment at which it comes due."""
        length = seconds(duration)
        runs = list(self.run())
        for step in self._steps(length):
            self._clock.move(step)
            runs += self.run()
        return Runs(runs)

    async def arun_for(self, duration: Duration) -> Runs:
        """Like `run_for`, for async tests."""
        length = seconds(duration)
        runs = list(await self.arun())
        for step in self._steps(length):
            self._clock.move(step)
            runs += await self.arun()
        return Runs(runs)

    def perform(self, message: Message, *, attempt: int = 1) -> Outcome:
        """Run a message once, past the queue; see `pulpo.testing.perform`."""
        return performing.perform(self._app, message, self._clock, self._loops, attempt=attempt)

    async def aperform(self, message: Message, *, attempt: int = 1) -> Outcome:
        """Like `perform`, for async tests."""
        return await performing.aperform(self._app, message, self._clock, attempt=attempt)

    def close(self) -> None:
        """Let go of the queue."""
        self._admin.close()
        self._loops.close()

    def _turn(self, at_most: int | None, loops: Loops | None) -> Turn:
        most = _MOST_RUNS if at_most is None else at_most
        if most < 1:
            raise UsageError(f"at_most must be 1 or more: {at_most!r}")
        parts, queues = self._app.parts(), self._queues()
        return Turn(parts, self._clock, queues, at_most=most, loops=loops, told=self.told)

    def _queues(self) -> list[str]:
        registry = self._app.registry
        known = {queue for type, queue in self._published() if registry.find(type)}
        return sorted({*registry.queues(), *known})

    def _tick(self) -> None:
        for each in self.by_the_clock:
            each.tick()

    def _is_due(self) -> bool:
        # A job that has ended may have been what the next tick waited for.
        return any(wait is not None and wait <= 0 for wait in self._waits())

    def _waits(self) -> list[float | None]:
        return [each.wait() for each in self.by_the_clock]

    def _steps(self, length: float) -> Iterator[float]:
        """Yield in which steps so much time passes: to each moment at which something is due."""
        end = self._clock.monotonic() + length
        while (left := end - self._clock.monotonic()) > 0:
            waits = self._waits()
            waits += [job.due for job in self._admin.list(state=JobState.DELAYED, limit=1)]
            soonest = min((wait for wait in waits if wait is not None), default=left)
            yield min(max(soonest, _SHORTEST_STEP), left)


def _ended(runs: Runs, at_most: int | None) -> Runs:
    if at_most is None and len(runs) >= _MOST_RUNS:
        raise AssertionError(f"there is no end to it: after {len(runs)} runs, {runs[-1]}")
    return runs
