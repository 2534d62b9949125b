"""A worker inside another program: in its process, in one of its threads, without a supervisor.

For tests, scripts and small applications. What the supervisor gives is missing: a handler that
holds the interpreter, or a thread that cannot be stopped, stops the program's jobs until the
program is ended, and a crash takes the program with it.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from pulpo.clock import Clock
from pulpo.worker.journal import Journal
from pulpo.worker.loop import Worker
from pulpo.worker.settings import WorkerParts, WorkerSettings

if TYPE_CHECKING:
    from types import TracebackType
    from typing import Self

__all__ = ["EmbeddedWorker"]


class EmbeddedWorker:
    """Runs the jobs of an app; made by `Pulpo.run_worker` and `Pulpo.start_worker`.

    `stop` may be called from any thread.
    """

    def __init__(self, parts: WorkerParts, settings: WorkerSettings, clock: Clock) -> None:
        self._parts = parts
        self._settings = settings
        self._clock = clock
        self._worker: Worker | None = None
        self._thread: threading.Thread | None = None
        self._stopped = threading.Event()
        self._ready = threading.Event()

    def run(self) -> bool:
        """Work in this thread until `stop`, or in a burst until nothing is ready.

        Returns False where jobs were still running when the grace was over. They keep their
        leases until those end.
        """
        adapter = self._parts.engine.adapter()
        journal = Journal(self._clock, format=self._settings.log_format)
        self._worker = Worker(
            adapter, self._parts, self._settings, clock=self._clock, journal=journal
        )
        if self._stopped.is_set():
            self._worker.stop()
        self._ready.set()
        try:
            return self._worker.run()
        finally:
            adapter.close()

    def start(self) -> Self:
        """Work in a thread of its own; returns once it has begun."""
        self._thread = threading.Thread(target=self.run, name="pulpo-worker", daemon=True)
        self._thread.start()
        self._ready.wait()
        return self

    def stop(self) -> None:
        """Reserve nothing more; wait until what runs has finished, or the grace is over."""
        self._stopped.set()
        if self._worker is not None:
            self._worker.stop()
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join(self._settings.grace + 5.0)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()
