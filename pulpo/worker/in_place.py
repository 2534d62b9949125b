"""Pools and a gate that do all of their work in the thread that works, as soon as it comes.

For tests: the handler sees the transactions and the context of the test, a breakpoint stops there,
and nothing waits. One job at a time, so that the next one is chosen when the last one is settled.
Decides nothing.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Coroutine, Sequence

from pulpo.clock import Clock
from pulpo.errors import JobTimeoutError
from pulpo.run import Run
from pulpo.worker.coroutines import CoroutinePool
from pulpo.worker.decide import SUCCESS, Raised, Verdict
from pulpo.worker.execute import Finished, execute, execute_async
from pulpo.worker.gate import LAST_WORDS, Gate
from pulpo.worker.gatekeeper import Word
from pulpo.worker.threads import ThreadPool

__all__ = ["AskedAtOnce", "InThisThread", "OnALoop"]


class InThisThread(ThreadPool):
    """Runs plain handlers; `heard` is told of each one that has ended."""

    takes_ahead = False

    def __init__(
        self, clock: Clock, finished: Callable[[], None], heard: Callable[[Finished], None]
    ) -> None:
        super().__init__(1, clock, finished)
        self._heard = heard

    def submit(self, runs: Sequence[Run], *, wake: int) -> None:  # noqa: ARG002  # nobody sleeps
        """Run handlers to their end."""
        for run in runs:
            run.taken = self._clock.monotonic()
            done = _in_time(execute(run, self._clock))
            self._outbox.append(done)
            self._heard(done)
            self._finished()


class OnALoop(CoroutinePool):
    """Runs coroutines, one after the other; `heard` is told of each one that has ended.

    With a `runner`, which runs one to its end, at once; without, in `work_off`, on the caller's
    event loop.
    """

    def __init__(
        self,
        clock: Clock,
        finished: Callable[[], None],
        heard: Callable[[Finished], None],
        runner: Callable[[Coroutine[object, object, Finished]], Finished] | None,
    ) -> None:
        super().__init__(1, clock, finished)
        self._heard = heard
        self._runner = runner
        self._begun: deque[Run] = deque()

    def submit(self, runs: Sequence[Run]) -> None:
        """Run coroutines to their end, or keep them for `work_off`."""
        for run in runs:
            run.taken = self._clock.monotonic()
            self._runs[run] = None
            if self._runner is None:
                self._begun.append(run)
            else:
                self._keep(self._runner(execute_async(run, self._clock)))

    async def work_off(self) -> None:
        """Run what was handed over, each in a task of its own."""
        while self._begun:
            task = asyncio.create_task(execute_async(self._begun.popleft(), self._clock))
            self._keep(await task)

    def _keep(self, done: Finished) -> None:
        done = _in_time(done)
        self._outbox.append(done)
        self._heard(done)
        self._finished()


class AskedAtOnce(Gate):
    """A gate without a thread: what is asked is answered, and what is told is carried out."""

    _has_begun = False

    def start(self) -> None:
        """Carry out what was said so far."""
        self._has_begun = True
        self._attend(self._words.hear(0.0))

    def stop(self, patience: float = LAST_WORDS) -> None:  # noqa: ARG002  # nobody is waited for
        """Let go of the queue; twice is once."""
        if self._has_begun:
            self._has_begun = False
            self._words.say(Word.STOP)
            self._attend(self._words.hear(0.0))
            self._keeper.close()

    def _tell(self, word: Word, run: Run, verdict: Verdict = SUCCESS) -> None:
        if self._has_begun:
            self._words.say(word, run, verdict)
            self._attend(self._words.hear(0.0))


def _in_time(done: Finished) -> Finished:
    """Return what came of a run; where the clock has passed its time limit, that it was too late.

    Nobody can interrupt a handler here. One that moves the test's clock is told afterwards.
    """
    run = done.run
    if not run.started or done.ended - run.started <= run.job_type.timeout:
        return done
    run.over_time = True
    return done if type(done.result) is Raised else done._replace(result=Raised(JobTimeoutError()))
