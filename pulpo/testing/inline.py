"""A worker that takes no time: what is published has run when the publisher goes on.

It runs jobs when they are published and when the clock comes to their time. Knows no queue; what
running means is said in `pulpo.testing.worker`.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock

from pulpo.testing.clock import TrialClock
from pulpo.testing.runs import JobRun, Runs
from pulpo.testing.worker import TrialWorker

__all__ = ["Inline"]


class Inline:
    """Runs what is due after each publish, and raises what a handler has raised.

    Any thread may publish. A job that is published while another one runs here runs after it, and
    its publisher does not wait for that.
    """

    def __init__(self, worker: TrialWorker, clock: TrialClock) -> None:
        self._worker = worker
        self._clock = clock
        self._lock = Lock()
        self._owner: object = None
        self._is_asked = False

    def run(self) -> None:
        """Run what is due now."""
        with self._alone() as is_alone:
            runs: list[JobRun] = []
            while is_alone and self._is_wanted():
                runs += self._worker.run()
            Runs(runs).raise_errors()

    async def arun(self) -> None:
        """Run what is due now; coroutines on this event loop."""
        with self._alone() as is_alone:
            runs: list[JobRun] = []
            while is_alone and self._is_wanted():
                runs += await self._worker.arun()
            Runs(runs).raise_errors()

    def live(self, length: float) -> None:
        """Let so many seconds pass, and run each job at its time."""
        with self._alone() as is_alone:
            if not is_alone:
                self._clock.move(length)  # a handler of ours moves it
                return
            runs = [*self._worker.run_for(length)]
            while self._is_wanted():
                runs += self._worker.run()
            Runs(runs).raise_errors()

    @contextmanager
    def _alone(self) -> Iterator[bool]:
        """Tell whether nobody runs jobs here but the caller, who does from now on."""
        mine = object()
        with self._lock:
            self._is_asked = True
            self._owner = self._owner or mine
            is_alone = self._owner is mine
        try:
            yield is_alone
        finally:
            with self._lock:
                if self._owner is mine:
                    self._owner = None

    def _is_wanted(self) -> bool:
        """Tell whether somebody has published since the last look; who comes later runs himself."""
        with self._lock:
            is_asked, self._is_asked = self._is_asked, False
            if not is_asked:
                self._owner = None
            return is_asked
