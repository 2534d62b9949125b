"""What a worker process tells beside the queue: who it is, what it runs, what it has done.

And where its slots are in what they run, once for each time that somebody asks.

Says so in its log, once, when the store is away, and goes on when it is back. Decides what is worth
a word; when it is asked is the chores' business.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from dataclasses import replace

from pulpo.clock import Clock
from pulpo.errors import QueueError, QueueFullError, QueueUnavailableError
from pulpo.identity import new_id
from pulpo.side import SideStore
from pulpo.telling import (
    MinuteCount,
    SeenWorker,
    SlotStack,
    forget_worker,
    merged,
    stacks_question,
    tell_minutes,
    tell_stacks,
    tell_worker,
)
from pulpo.telling.minutes import KEYS
from pulpo.telling.workers import MOST_RUNNING, MOST_TYPES
from pulpo.worker.journal import Journal
from pulpo.worker.settings import WorkerParts, WorkerSettings
from pulpo.worker.slots import Slots
from pulpo.worker.tally import Reader, Tally

__all__ = ["EVERY", "Teller", "introduce"]

# How often it speaks where something has changed, and at least where nothing has, in seconds.
EVERY, AT_LEAST_EVERY = 1.0, 5.0
# An idle worker looks less often: that it wakes at all is half of what it costs.
IDLE = 2.5
# Between two tries while the store is away.
LONGEST_PAUSE = 30.0
# So many counts are kept for a store that is away; then they are dropped.
MOST_PENDING = 2_000


def introduce(
    parts: WorkerParts, settings: WorkerSettings, clock: Clock, *, supervisor: int
) -> SeenWorker:
    """Return what does not change about this worker process; `supervisor` is a process id."""
    types = sorted(name for kind in parts.registry for name in (kind.type, *kind.aliases))
    return SeenWorker(
        id=new_id(),
        host=os.uname().nodename,
        pid=os.getpid(),
        worker=supervisor,
        started=clock.wall(),
        queues=tuple(settings.queues or parts.registry.queues()),
        types=tuple(types[:MOST_TYPES]),
        types_left_out=max(len(types) - MOST_TYPES, 0),
        threads=settings.threads,
        async_slots=settings.async_slots,
        busy=0,
        running=(),
    )


class Teller:
    """What is told, and whether anybody listens; the chores thread's."""

    def __init__(
        self,
        myself: SeenWorker,
        slots: Slots,
        tally: Tally,
        clock: Clock,
        journal: Journal,
        *,
        open_store: Callable[[], SideStore | None],
        stopped: threading.Event,
    ) -> None:
        self._myself = myself
        self._slots = slots
        self._tally = tally
        self._clock = clock
        self._journal = journal
        self._open_store = open_store
        self._stopped = stopped
        self._store: SideStore | None = None
        self._last: SeenWorker | None = None
        self._spoken = 0.0
        self._pending: tuple[MinuteCount, ...] = ()
        self._answered: int | None = None
        self._is_away = False
        #: How long to wait before the next word, in seconds.
        self.pause = EVERY

    def tell(self) -> None:
        """Tell what has changed."""
        self._try(self._tell)

    def end(self) -> None:
        """Tell the last counts, and that this process has ended."""
        if not self._is_away:
            self._try(self._say_goodbye)
        if self._store is not None and not self._is_away:
            # What cannot be written to may not be ours: a handler may have closed descriptors.
            self._store.close()

    def _tell(self) -> None:
        self._gather()
        store = self._opened()
        if store is None:
            self._pending, self.pause = (), LONGEST_PAUSE
            return
        seen, now = self._look(), self._clock.monotonic()
        is_idle = not (self._pending or seen.busy)
        if _without_times(seen) != self._last or now - self._spoken >= AT_LEAST_EVERY:
            tell_worker(store, seen)
            self._last, self._spoken = _without_times(seen), now
        self._tell_counts(store)
        self._answer(store)
        self.pause = IDLE if is_idle else EVERY

    def _say_goodbye(self) -> None:
        self._gather()
        store = self._opened() if self._pending or self._last is not None else None
        if store is not None:
            self._tell_counts(store)
            if self._last is not None:
                forget_worker(store, self._myself.id)

    def _gather(self) -> None:
        # Before the store is asked for anything: what waits for it keeps its minute.
        counts = self._tally.fetch(Reader.SIDE, self._clock.wall())
        if counts:
            self._pending = merged((*self._pending, *counts), KEYS)[-MOST_PENDING:]

    def _tell_counts(self, store: SideStore) -> None:
        counts, self._pending = self._pending, ()
        try:
            if counts:
                tell_minutes(store, counts)
        except (QueueFullError, QueueUnavailableError):
            self._pending = counts  # certainly not written
            raise

    def _answer(self, store: SideStore) -> None:
        """Tell the stacks of the slots, where somebody has asked for them."""
        question = stacks_question(store, self._myself.id)
        if question is None or question == self._answered:
            return
        # Not again, whatever becomes of the answer: who still wants it asks anew.
        self._answered = question
        busy, see = self._slots.busy(), self._slots
        slots = (SlotStack(job=see.describe(slot), stack=see.stack(slot)) for slot in busy)
        tell_stacks(store, self._myself.id, slots, question=question, busy=len(busy))

    def _opened(self) -> SideStore | None:
        if self._store is None:
            self._store = self._open_store()
        return self._store

    def _look(self) -> SeenWorker:
        slots = self._slots.busy()
        return replace(
            self._myself,
            busy=len(slots),
            running=tuple(self._slots.describe(slot) for slot in slots[:MOST_RUNNING]),
            is_stopping=self._stopped.is_set(),
        )

    def _try(self, act: Callable[[], None]) -> None:
        """Do something with the store; say once that it is away, and once that it is back."""
        try:
            act()
        except Exception as error:  # noqa: BLE001  # a store may be a third party's
            if not self._is_away:
                kind = "" if isinstance(error, QueueError) else f"{type(error).__name__}: "
                reason = f"nothing is told beside the queue for now: {kind}{error}"
                self._journal.say("WARNING", "side", reason=reason)
            # The next try comes a second later, as ever, then each later than the one before.
            self.pause = min(self.pause * 2, LONGEST_PAUSE) if self._is_away else EVERY
            self._is_away = True
        else:
            if self._is_away:
                self._journal.say("INFO", "side", reason="workers tell beside the queue again")
            self._is_away = False


def _without_times(seen: SeenWorker) -> SeenWorker:
    """Return what is worth a word of its own: time goes on for whoever reads it, too."""
    return replace(seen, running=tuple(replace(job, seconds=0.0) for job in seen.running))
