"""The event loop on which `async def` handlers run, in a thread of its own.

asyncio is loaded, and the thread started, with the first such job. Decides nothing.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from pulpo.clock import Clock
from pulpo.errors import JobTimeoutError
from pulpo.run import Run
from pulpo.worker.decide import Raised
from pulpo.worker.execute import Finished, execute_async

if TYPE_CHECKING:
    import asyncio

__all__ = ["CoroutinePool"]

# At the very end, for tasks that were cancelled, in seconds.
_LAST = 0.5


class CoroutinePool:
    """Runs coroutines; the worker's loop thread calls everything here.

    `finished` is called from the event loop's thread when a result is there to be taken.
    """

    def __init__(self, size: int, clock: Clock, finished: Callable[[], None]) -> None:
        self.size = size
        self._clock = clock
        self._finished = finished
        self._outbox: deque[Finished] = deque()
        self._runs: dict[Run, asyncio.Task[None] | None] = {}
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._given_up: dict[Run, asyncio.Task[None] | None] = {}
        self._rung = False

    @property
    def in_hand(self) -> int:
        """How many runs were submitted and are not finished."""
        return len(self._runs)

    def submit(self, runs: Sequence[Run]) -> None:
        """Start runs, all of them at once."""
        now = self._clock.monotonic()
        for run in runs:
            run.taken = now
            self._runs[run] = None
        loop = self._event_loop()
        loop.call_soon_threadsafe(self._start, loop, runs)

    def take_finished(self) -> list[Finished]:
        """Return what has finished since the last call."""
        outbox = self._outbox
        self._rung = False  # before the look: what comes after it rings again
        done = [outbox.popleft() for _ in range(len(outbox))]
        return [finished for finished in done if self._runs.pop(finished.run, self) is not self]

    def running(self) -> list[Run]:
        """Return the runs that have begun."""
        return [run for run in list(self._runs) if run.started]

    @property
    def ident(self) -> int:
        """The thread of the event loop; 0 where there is none."""
        return self._thread.ident or 0 if self._thread is not None else 0

    def at_work(self) -> list[tuple[Run, asyncio.Task[None] | None]]:
        """Return the runs in hand and those given up, each with its task; any thread may ask."""
        # Copies, which no other thread gets in between of.
        stuck = self._given_up.copy().items()
        return [
            *self._runs.copy().items(),
            *((run, task) for run, task in stuck if task is not None and not task.done()),
        ]

    def interrupt(self, run: Run) -> None:
        """Cancel a run whose time is over; it may clean up, and swallow that too."""
        run.over_time = True
        self._tell(run)

    def cancel(self, run: Run) -> None:
        """Cancel a run whose outcome nobody wants any more: it goes back."""
        if run in self._runs:
            run.cut = True
            self._tell(run)

    def cancel_all(self) -> bool:
        """Cancel all runs, which go back; True if there were any that did not know yet."""
        runs = [run for run in list(self._runs) if not run.cut]
        for run in runs:
            self.cancel(run)
        return bool(runs)

    def _tell(self, run: Run) -> None:
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self._cancel, run)

    def give_up(self, run: Run) -> None:
        """Forget a run that cannot be stopped; whatever it returns is dropped."""
        # Kept, since it may go on for as long as this process.
        self._given_up[run] = self._runs.pop(run, None)

    def stop(self) -> None:
        """End the event loop; what still runs on it is cancelled. Twice is once."""
        loop, self._loop = self._loop, None
        if loop is not None and self._thread is not None:
            loop.call_soon_threadsafe(loop.stop)
            self._thread.join(1.0)

    def _event_loop(self) -> asyncio.AbstractEventLoop:
        if self._loop is None:
            # Half a worker's start-up time, and many have no coroutine at all.
            import asyncio  # noqa: PLC0415

            self._loop = asyncio.new_event_loop()
            self._thread = threading.Thread(
                target=self._serve, args=(self._loop,), name="pulpo-async", daemon=True
            )
            self._thread.start()
        return self._loop

    def _serve(self, loop: asyncio.AbstractEventLoop) -> None:
        import asyncio  # noqa: PLC0415

        asyncio.set_event_loop(loop)
        try:
            loop.run_forever()
        finally:
            tasks = asyncio.all_tasks(loop)
            for task in tasks:
                task.cancel()
            if tasks:
                loop.run_until_complete(asyncio.wait(tasks, timeout=_LAST))
            loop.run_until_complete(loop.shutdown_asyncgens())
            loop.close()

    def _start(self, loop: asyncio.AbstractEventLoop, runs: Sequence[Run]) -> None:
        for run in runs:
            self._runs[run] = loop.create_task(self._run(run))

    def _cancel(self, run: Run) -> None:
        task = self._runs.get(run)
        if task is None:
            return
        task.cancel()
        if not run.started:
            # A task that is cancelled before its first step runs nothing, `_run` neither.
            import asyncio  # noqa: PLC0415

            self._hand_in(Finished(run, Raised(asyncio.CancelledError()), self._clock.monotonic()))

    async def _run(self, run: Run) -> None:
        done = await execute_async(run, self._clock)
        if run.over_time and _was_cancelled(done.result):
            done = done._replace(result=Raised(JobTimeoutError()))
        self._hand_in(done)

    def _hand_in(self, done: Finished) -> None:
        self._outbox.append(done)
        if not self._rung:
            self._rung = True
            self._finished()


def _was_cancelled(result: object) -> bool:
    import asyncio  # noqa: PLC0415

    return type(result) is Raised and issubclass(type(result.error), asyncio.CancelledError)
