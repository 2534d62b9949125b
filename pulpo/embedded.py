"""A worker inside another program: in its process, in threads of it, without a supervisor.

For tests, scripts and small applications. What the supervisor gives is missing: a handler that
holds the interpreter, or a thread that cannot be stopped, stops the program's jobs until the
program is ended, and a crash takes the program with it.

Nor can it end what outlasts the grace: a thread cannot be stopped from outside. Such a run keeps
its lease and is settled when it ends, or goes back to the queue when the program does; until then
nobody else gets the job. Coroutines are cancelled, and go back at once.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, TypedDict

from pulpo.adapter import QueueAdapter
from pulpo.clock import Clock
from pulpo.duration import Duration, seconds
from pulpo.errors import UnsupportedError, WrongTypeError
from pulpo.options import check_known
from pulpo.worker.attendants import attend, dismiss
from pulpo.worker.chores import LAST_CHORES, Chores
from pulpo.worker.journal import Journal
from pulpo.worker.loop import Worker
from pulpo.worker.rules import refused_types
from pulpo.worker.settings import WorkerParts, WorkerSettings, queue_with_slots, told_queues
from pulpo.worker.tally import Reader, Tally

if TYPE_CHECKING:
    from typing import Self

__all__ = ["EmbeddedWorker", "WorkerLimits"]

# So long a worker that has come to its end waits for those who listen to its events, in seconds.
_LISTENING = 2.0


class WorkerLimits(TypedDict, total=False):
    """What an embedded worker may be told; see `pulpo.worker.settings.WorkerSettings`.

    One of `queues` may say how many of its jobs run at once, like `"mail:2"`.
    """

    queues: Sequence[str]
    threads: int
    async_slots: int
    grace: Duration
    log_format: str
    side: bool


class EmbeddedWorker:
    """Runs the jobs of an app; made by `Pulpo.run_worker` and `Pulpo.start_worker`.

    `stop` may be called from any thread.
    """

    def __init__(self, parts: WorkerParts, settings: WorkerSettings, clock: Clock) -> None:
        self._parts = parts
        self._settings = settings
        self._clock = clock
        self._tally = Tally(*([Reader.SIDE] if settings.side else []))
        counts = [self._tally.count] if settings.side else []
        self._ticking = None
        if parts.ticker is not None:
            from pulpo.worker.ticking import Ticking  # noqa: PLC0415  # few have schedules

            self._ticking = Ticking.of(parts, settings, clock)
        if self._ticking is not None:
            counts.append(self._ticking.count)
        self._journal = Journal(
            clock, format=settings.log_format, counts=counts, redaction=parts.redaction
        )
        self._worker: Worker | None = None
        self._thread: threading.Thread | None = None
        self._stopped = threading.Event()
        self._ready = threading.Event()
        self._over = threading.Event()
        self._left = False
        self._error: BaseException | None = None

    @classmethod
    def of(
        cls, parts: WorkerParts, clock: Clock, *, burst: bool, limits: WorkerLimits
    ) -> EmbeddedWorker:
        """Check the limits and make a worker; an error names the one that is wrong."""
        check_known(limits, tuple(WorkerLimits.__annotations__))
        settings = WorkerSettings(
            **told_queues(_names(limits.get("queues", ()))),
            threads=limits.get("threads", 8),
            async_slots=limits.get("async_slots", 100),
            grace=seconds(limits.get("grace", 25.0), "grace"),
            log_format=limits.get("log_format", "text"),
            side=limits.get("side", True),
            burst=burst,
        )
        for refused in refused_types(parts.engine, parts.registry):
            raise UnsupportedError(refused.why)
        return cls(parts, settings, clock)

    def run(self) -> bool:
        """Work until `stop` or an interrupt, or in a burst until nothing is ready.

        Returns False where jobs were still running when the grace was over: they keep their leases
        until they end. An interrupt (^C) is raised once what runs has finished or the grace is
        over; a second one at once. Raises what opening the queue raises.
        """
        self.start()
        try:
            self._over.wait()
        except BaseException:
            self._tell_to_stop()
            self._over.wait()
            raise
        self._raise_error()
        return not self._left

    def start(self) -> Self:
        """Work beside the program; returns once it has begun, or raises what kept it from that."""
        self._thread = threading.Thread(target=self._serve, name="pulpo-worker", daemon=True)
        self._thread.start()
        self._ready.wait()
        if self._worker is None:
            self._raise_error()
        return self

    def stop(self) -> bool:
        """Reserve nothing more; wait until what runs has finished, or the grace is over.

        Returns False where jobs are still running then. Raises what ended the worker before.
        """
        self._tell_to_stop()
        if self._thread is None or self._thread is threading.current_thread():
            return True
        self._over.wait(self._settings.grace + 5.0)
        if self._over.is_set() and not self._left:
            self._thread.join(1.0)
        self._raise_error()
        return self._over.is_set() and not self._left

    def _tell_to_stop(self) -> None:
        self._stopped.set()
        if self._worker is not None:
            self._worker.stop()

    def _raise_error(self) -> None:
        if self._error is not None:
            raise self._error

    def _serve(self) -> None:
        """Be the thread that owns the queue's door."""
        try:
            adapter = self._parts.engine.adapter()
            try:
                self._work(adapter)
            finally:
                adapter.close()
        except BaseException as error:  # noqa: BLE001  # raised in the program's thread
            self._error = error
            if self._ready.is_set():
                self._journal.say("ERROR", "ended", reason=f"{type(error).__name__}: {error}")
        finally:
            self._ready.set()
            self._over.set()

    def _work(self, adapter: QueueAdapter) -> None:
        parts, settings, clock = self._parts, self._settings, self._clock
        worker = Worker(adapter, parts, settings, clock=clock, journal=self._journal)
        chores = Chores.of(parts, settings, worker, self._tally, clock, supervisor=os.getpid())
        if settings.side:
            chores.start()
        attending = attend(parts.attendants, burst=settings.burst)
        if self._ticking is not None:
            self._ticking.start()
        try:
            self._run(worker)
        finally:
            if self._ticking is not None:
                self._ticking.stop()
            dismiss(attending)
            chores.stop(LAST_CHORES)

    def _run(self, worker: Worker) -> None:
        self._worker = worker
        if self._stopped.is_set():
            worker.stop()
        self._ready.set()
        self._left = bool(worker.run())
        self._parts.listeners.flush(_LISTENING)
        if self._left:
            # To close the door would give their jobs to others, while they run here.
            self._over.set()
            worker.linger()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()


def _names(queues: object) -> list[tuple[str, int | None]]:
    # A text is a sequence as well, of one-letter queues that nobody means.
    if isinstance(queues, str | bytes) or not isinstance(queues, Iterable):
        raise WrongTypeError(f"queues must be a list of names, like ['mail']: {queues!r}")
    return [queue_with_slots(queue) for queue in queues]
