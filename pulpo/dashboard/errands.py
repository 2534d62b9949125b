"""An act on many jobs, or a count of them, in a thread of its own, and how far it is.

A request must not wait for a million jobs, and no page may. Knows no queue: what is done is handed
in, and tells here how far it is. One at a time.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field, replace
from enum import Enum
from typing import Any

from pulpo.adapter import Engine, QueueAdmin
from pulpo.clock import Clock
from pulpo.errors import PulpoError, UsageError
from pulpo.job import Sighting

__all__ = ["BusyError", "Errand", "Errands", "Stage", "StoppedError", "waited_for"]

# How long a request waits for what may be done at once, in seconds.
PATIENCE = 3.0
# How long it is shown after its end what became of an errand, and what it has found is kept.
KEPT = 600.0
_LAST_BATCH = 5.0


class BusyError(UsageError):
    """Another act on many jobs is under way."""


class StoppedError(Exception):
    """Somebody has said that the errand is to stop."""


class Stage(Enum):
    """How far an errand is; `COUNTED` waits for a word what to do with what was found."""

    COUNTING = "counting"
    COUNTED = "counted"
    ACTING = "acting"
    DONE = "done"
    STOPPED = "stopped"
    FAILED = "failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Errand:
    """How far an errand is, as a page shows it.

    `looked` at so many jobs it has found so many (`acts`: for each act the jobs that it would be
    done to). Of `total` jobs it was `done` to some, others were `left` since they had changed.
    """

    number: int
    verb: str
    fields: Mapping[str, str] = field(default_factory=dict)
    query: str = ""
    stage: Stage = Stage.COUNTING
    looked: int = 0
    found: int = 0
    unseen: int = 0
    acts: Mapping[str, int] = field(default_factory=dict)
    total: int = 0
    done: int = 0
    left: int = 0
    reason: str = ""


class Errands:
    """The errands of one dashboard; any thread and any event loop."""

    def __init__(self, engine: Engine, clock: Clock) -> None:
        self._engine = engine
        self._clock = clock
        self._lock = threading.Lock()
        self._shown: Errand | None = None
        self._ended_at = 0.0
        self._begun = 0
        self._kept: Mapping[str, Sequence[Sighting]] = {}
        self._runs = False
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    @property
    def shown(self) -> Errand | None:
        """The errand that runs, or the last one, for a while."""
        with self._lock:
            errand = self._shown
            if errand is None or self._runs or self._clock.monotonic() < self._ended_at + KEPT:
                return errand
            self._shown, self._kept = None, {}
            return None

    def forget(self, number: int) -> None:
        """Show an errand no more that has ended: somebody was told of its end."""
        with self._lock:
            if self._shown is not None and self._shown.number == number and not self._runs:
                self._shown, self._kept = None, {}

    def kept(self, number: int, verb: str) -> Sequence[Sighting] | None:
        """Return the jobs that an errand has found for an act; None where they are not kept."""
        with self._lock:
            shown = self._shown
            if shown is None or shown.number != number or shown.stage is not Stage.COUNTED:
                return None
            return self._kept.get(verb)

    def begin(self, errand: Errand, work: Callable[[QueueAdmin], None]) -> Future[Errand]:
        """Do it in a thread, with an admin of its own; returns what is known at its end.

        `work` tells how far it is with `note` and `keep`. Raises `BusyError` where one runs.
        """
        with self._lock:
            if self._runs and self._shown is not None:
                raise BusyError(f"wait for the last one, or stop it: {_told(self._shown)}")
            self._runs = True
            self._begun += 1
            self._shown = replace(errand, number=self._begun)
            self._kept = {}
            self._stop.clear()
        done: Future[Errand] = Future()
        done.set_running_or_notify_cancel()
        self._thread = threading.Thread(
            target=self._serve, args=(work, done), name="pulpo-dashboard-errand", daemon=True
        )
        self._thread.start()
        return done

    def note(self, **changes: Any) -> None:  # the fields of an errand, of several types
        """Tell how far it is; raises `StoppedError` where it is to stop."""
        with self._lock:
            assert self._shown is not None
            self._shown = replace(self._shown, **changes)
        if self._stop.is_set():
            raise StoppedError

    def keep(self, found: Mapping[str, Sequence[Sighting]]) -> None:
        """Keep the jobs that were found for each act, until the errand is not shown any more."""
        with self._lock:
            self._kept = found

    def stop(self) -> None:
        """Let what runs stop after the batch it is at."""
        self._stop.set()

    def close(self) -> None:
        """Stop, and wait for the batch that is under way."""
        self.stop()
        if self._thread is not None:
            self._thread.join(_LAST_BATCH)

    def _serve(self, work: Callable[[QueueAdmin], None], done: Future[Errand]) -> None:
        try:
            admin = self._engine.admin()
            try:
                work(admin)
            finally:
                admin.close()
        except StoppedError:
            done.set_result(self._ended(stage=Stage.STOPPED))
        except Exception as error:
            reason = str(error) if isinstance(error, PulpoError) else f"{error!r}: see the log"
            self._ended(stage=Stage.FAILED, reason=reason)
            done.set_exception(error)
            if not isinstance(error, PulpoError):
                raise
        else:
            done.set_result(self._ended())

    def _ended(self, **changes: Any) -> Errand:
        with self._lock:
            assert self._shown is not None
            shown = self._shown = replace(self._shown, **changes)
            self._ended_at = self._clock.monotonic()
            self._runs = False
            return shown


async def waited_for(done: Future[Errand], patience: float = PATIENCE) -> Errand | None:
    """Return how an errand has ended; None where that takes longer. Raises what has ended it."""
    waiting = asyncio.wrap_future(done)
    ended, _ = await asyncio.wait({waiting}, timeout=patience)
    if ended:
        return waiting.result()
    waiting.cancel()  # only the wait: nobody is told any more, in a loop that may be closed by then
    return None


def _told(errand: Errand) -> str:
    """Return in a few words how far it is."""
    if errand.stage is Stage.COUNTING:
        return f"counting, {errand.looked:,} jobs so far"
    return f"{errand.verb}, {errand.done:,} of {errand.total:,} jobs so far"
