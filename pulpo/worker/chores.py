"""What a worker process does beside its work: tell who it is and what it has done, once a second.

In a thread with a connection of its own, never in the loop. What it cannot tell is history that
nobody will know; no job waits for it. It also prints what the slots run, when it is asked to.
"""

from __future__ import annotations

import os
import threading

from pulpo.clock import Clock
from pulpo.duration import as_text
from pulpo.side import side_of
from pulpo.system import wait_any
from pulpo.waker import Waker
from pulpo.worker.journal import Journal
from pulpo.worker.loop import Worker
from pulpo.worker.settings import WorkerParts, WorkerSettings
from pulpo.worker.slots import Slots
from pulpo.worker.tally import Tally
from pulpo.worker.teller import Teller, introduce

__all__ = ["LAST_CHORES", "Chores"]

# Before the first word, in seconds: what lives for a moment only need not say that it does.
SETTLE_DOWN = 0.25
# How long the end of a worker waits for its last words.
LAST_CHORES = 0.5


class Chores:
    """The thread of one worker process that tells; `start` and `stop` are the loop thread's."""

    def __init__(self, teller: Teller, slots: Slots, journal: Journal) -> None:
        self._teller = teller
        self._slots = slots
        self._journal = journal
        self._bell = Waker()
        self._ending = self._asked = False
        self._thread = threading.Thread(target=self._serve, name="pulpo-chores", daemon=True)

    @classmethod
    def of(
        cls,
        parts: WorkerParts,
        settings: WorkerSettings,
        worker: Worker,
        tally: Tally,
        clock: Clock,
        *,
        supervisor: int,
    ) -> Chores:
        """Return the chores of a worker; `supervisor` is a process id."""
        journal = Journal(clock, format=settings.log_format)  # the worker's own is the loop's
        teller = Teller(
            introduce(parts, settings, clock, supervisor=supervisor),
            worker.slots,
            tally,
            clock,
            journal,
            open_store=(lambda: side_of(parts.engine)) if settings.side else lambda: None,
            stopped=worker.stopped,
        )
        return cls(teller, worker.slots, journal)

    def start(self) -> None:
        """Begin, beside the loop; where there is no room for a thread, the work goes on without."""
        try:
            self._thread.start()
        except RuntimeError as error:
            self._journal.say("WARNING", "side", reason=f"nothing is told of this worker: {error}")

    def show(self) -> None:
        """Print soon what every slot runs; any thread, or a signal handler."""
        self._asked = True
        self._bell.ring()

    def stop(self, patience: float) -> None:
        """Tell the last counts and say goodbye, within so many seconds; twice is once."""
        self._ending = True
        self._bell.ring()
        if self._thread.ident is None:
            self._bell.close()
        else:
            self._thread.join(patience)

    def _serve(self) -> None:
        pause = SETTLE_DOWN
        while not self._ending:
            try:
                rung, _ = wait_any([self._bell.fileno()], pause)
                if rung:
                    self._bell.silence()
            except OSError:
                return  # a handler has closed every descriptor: what we hold is not ours any more
            if self._asked:
                self._asked = False
                self._show()
            if not rung:
                self._teller.tell()
                pause = self._teller.pause
        self._teller.end()
        self._bell.close()

    def _show(self) -> None:
        slots = self._slots.busy()
        self._journal.say("INFO", "slots", pid=os.getpid(), busy=len(slots))
        for slot in slots:
            seen = self._slots.describe(slot)
            what = {"slot": seen.slot, "type": seen.type, "id": seen.id, "queue": seen.queue}
            if seen.is_stuck:
                what["over"] = as_text(seen.timeout)
            self._journal.say(
                "INFO",
                "running",
                **what,
                attempt=seen.attempt,
                seconds=round(seen.seconds, 1),
                stack=self._slots.stack(slot),
            )
