"""One turn of the real worker, in the thread of the test: it runs what is ready, until nothing is.

Reserving, decoding, retrying and settling are those of `pulpo.worker.loop`. What is different here:
handlers run in this thread and one at a time, limits are asked here as well, and no backoff is
spread, so that the same test does the same thing each time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from pulpo.clock import Clock
from pulpo.run import Run
from pulpo.testing.loops import Loops
from pulpo.testing.runs import JobRun, Runs, job_run
from pulpo.worker.decide import Raised
from pulpo.worker.execute import Finished
from pulpo.worker.gate import Gate
from pulpo.worker.gatekeeper import Rule
from pulpo.worker.hands import Hands
from pulpo.worker.in_place import AskedAtOnce, InThisThread, OnALoop
from pulpo.worker.journal import Ended, Journal
from pulpo.worker.loop import Worker
from pulpo.worker.settings import WorkerParts, WorkerSettings

__all__ = ["Turn"]

# So long a turn waits for those who listen to events, in seconds.
_LISTENING = 2.0


class Turn:
    """One burst of a worker; made anew for each.

    It ends after `at_most` runs, even if more is ready. With `loops` coroutines run to their end
    wherever they come up, without on the event loop of whoever awaits `arun`. Those in `told` hear
    of each run whose outcome the queue has taken.
    """

    def __init__(
        self,
        parts: WorkerParts,
        clock: Clock,
        queues: Sequence[str],
        *,
        at_most: int,
        loops: Loops | None,
        told: Sequence[Callable[[Sequence[Ended]], None]] = (),
    ) -> None:
        self._parts = parts
        self._at_most = at_most
        self._results: dict[Run, object] = {}
        self._runs: list[JobRun] = []
        self._interrupt: BaseException | None = None
        self._adapter = parts.engine.adapter()
        wake = self._adapter.wake
        runner = None if loops is None else loops.run
        self._coroutines = OnALoop(clock, wake, self._heard, runner)
        hands = Hands(
            threads=InThisThread(clock, wake, self._heard),
            coroutines=self._coroutines,
            spread=lambda: 0.0,
            make_gate=self._make_gate,
        )
        settings = WorkerSettings(
            queues=tuple(queues), threads=1, async_slots=1, burst=True, side=False
        )
        self._gate: Gate | None = None
        self._worker = Worker(
            self._adapter,
            parts,
            settings,
            clock=clock,
            journal=Journal(clock, counts=[self._note, *told]),
            hands=hands,
        )

    def run(self) -> Runs:
        """Work until nothing is ready; raises what ended the worker, or interrupted a handler."""
        with self._at_the_queue():
            while self._goes_on():
                self._worker.tick()
        return Runs(self._runs)

    async def arun(self) -> Runs:
        """Like `run`; coroutines run on this event loop."""
        with self._at_the_queue():
            while self._goes_on():
                self._worker.tick()
                await self._coroutines.work_off()
        return Runs(self._runs)

    def _goes_on(self) -> bool:
        # What the next tick might wait for has happened by then, or never will: nobody else works.
        self._adapter.wake()
        return not self._worker.is_over()

    @contextmanager
    def _at_the_queue(self) -> Iterator[None]:
        try:
            if self._gate is not None:
                self._gate.begin()
            yield
        finally:
            if self._gate is not None:
                self._gate.stop()
            self._adapter.close()
        self._parts.listeners.flush(_LISTENING)
        if self._interrupt is not None:
            raise self._interrupt

    def _make_gate(
        self,
        rules: Sequence[Rule],
        parts: WorkerParts,
        settings: WorkerSettings,
        clock: Clock,
        answered: Callable[[], None],
    ) -> Gate:
        self._gate = AskedAtOnce.by(rules, parts, settings, clock, answered)
        return self._gate

    def _heard(self, done: Finished) -> None:
        """A handler has ended, and its outcome is not settled yet."""
        self._results[done.run] = done.result
        if type(done.result) is Raised and _is_for_the_test(done.result.error):
            self._interrupt = done.result.error
            self._worker.stop()
        if len(self._results) >= self._at_most:
            self._worker.stop()

    def _note(self, outcomes: Sequence[Ended]) -> None:
        """The queue has taken these outcomes."""
        self._runs += [
            job_run(run, verdict, self._results.get(run)) for run, verdict, _ in outcomes
        ]


def _is_for_the_test(error: BaseException) -> bool:
    # ^C, pytest.fail() and a task that is cancelled; sys.exit() is a handler's failure like others.
    return not isinstance(error, Exception | SystemExit)
