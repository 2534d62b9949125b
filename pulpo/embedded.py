"""A worker inside another program: in its process, in one of its threads, without a supervisor.

For tests, scripts and small applications. What the supervisor gives is missing: a handler that
holds the interpreter, or a thread that cannot be stopped, stops the program's jobs until the
program is ended, and a crash takes the program with it.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import TYPE_CHECKING, TypedDict

from pulpo.clock import Clock
from pulpo.duration import Duration, seconds
from pulpo.identity import check_queue
from pulpo.options import check_known
from pulpo.worker.journal import Journal
from pulpo.worker.loop import Worker
from pulpo.worker.settings import WorkerParts, WorkerSettings

if TYPE_CHECKING:
    from typing import Self

__all__ = ["EmbeddedWorker", "WorkerLimits"]


class WorkerLimits(TypedDict, total=False):
    """What an embedded worker may be told; see `pulpo.worker.settings.WorkerSettings`."""

    queues: Sequence[str]
    threads: int
    async_slots: int
    grace: Duration
    log_format: str


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

    @classmethod
    def of(
        cls, parts: WorkerParts, clock: Clock, *, burst: bool, limits: WorkerLimits
    ) -> EmbeddedWorker:
        """Check the limits and make a worker; an error names the one that is wrong."""
        check_known(limits, tuple(WorkerLimits.__annotations__))
        settings = WorkerSettings(
            queues=tuple(check_queue(queue) for queue in limits.get("queues", ())),
            threads=limits.get("threads", 8),
            async_slots=limits.get("async_slots", 100),
            grace=seconds(limits.get("grace", 25.0), "grace"),
            log_format=limits.get("log_format", "text"),
            burst=burst,
        )
        return cls(parts, settings, clock)

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
            return not self._worker.run()
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

    def __exit__(self, *_: object) -> None:
        self.stop()
