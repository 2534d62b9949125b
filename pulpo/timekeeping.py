"""Publishing what is due: all processes do it, and each tick is published once.

    keeper = app.timekeeper()
    keeper.tick()                 # a test's clock calls it; a worker has a thread that does

There is no leader. Every process that knows a schedule publishes its ticks under ids that follow
from name and time, so that the queue accepts each of them from one process and names it to the
others. The schedule's fact says up to where that is done; it is moved on by compare-and-set after
the put, so that a process that dies between the two leaves nothing out.

Knows no thread and no worker. When a tick is due is `pulpo.periodic`'s to say.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass

from pulpo.advancing import Publish, advance, is_superseded, next_look, standing
from pulpo.clock import Clock
from pulpo.errors import QueueError
from pulpo.identity import new_id
from pulpo.publishing import JobRef
from pulpo.schedules import Schedule
from pulpo.side import SideStore
from pulpo.telling.schedules import (
    LASTS,
    Definition,
    Keeper,
    ScheduleFact,
    TickOutcome,
    forget_keeper,
    read_keepers,
    read_schedules,
    tell_keeper,
    tell_outcomes,
    write_schedule,
)

__all__ = ["Ticked", "Timekeeper"]

# How often a process says that it keeps schedules, in seconds: three times before it is forgotten.
_SPEAK_EVERY = 30.0
# After a failure: a second, then longer and longer.
_FIRST_PAUSE, _LONGEST_PAUSE = 1.0, 30.0
# Other processes may be first with a fact; one that loses so often looks again a moment later.
_TRIES = 4
# What a clock may be put back by without notice, in seconds.
_SLACK = 1.0


@dataclass(frozen=True, slots=True)
class Ticked:
    """What one look has come to: what was published by it, and when to look again.

    `next` is in seconds since the epoch, None where there are no schedules.
    """

    published: tuple[JobRef, ...] = ()
    next: float | None = None


class Timekeeper:
    """Publishes the ticks of one app's schedules; one thread's, with a side store of its own.

    `since` is when its worker was started and when this process was, in seconds since the epoch:
    where two processes know a schedule by other definitions, the one of the later deploy counts,
    as long as any process of it lives. `say` is told what belongs in a log, with its level.
    """

    def __init__(
        self,
        schedules: Iterable[tuple[Schedule, Definition]],
        publish: Publish,
        open_store: Callable[[], SideStore],
        clock: Clock,
        *,
        since: tuple[float, float] | None = None,
    ) -> None:
        self._known = {schedule.name: (schedule, told) for schedule, told in schedules}
        self._publish = publish
        self._open_store = open_store
        self._clock = clock
        self._looked = now = clock.wall()
        self._me = Keeper(
            id=new_id(),
            since=since or (now, now),
            schedules={name: told.digest for name, (_, told) in self._known.items()},
        )
        #: Called with the level and the text of what belongs in a log.
        self.say: Callable[[str, str], None] = lambda level, text: None  # noqa: ARG005
        self._store: SideStore | None = None
        self._spoken: float | None = None
        self._next: dict[str, float] = {}
        self._waiting: set[str] = set()
        self._pauses: dict[str, float] = {}

    def tick(self, now: float | None = None) -> Ticked:
        """Publish what is due at a second since the epoch, by default this one.

        What fails is said in the log, and tried again: nothing is raised.
        """
        now = self._clock.wall() if now is None else now
        if now < self._looked - _SLACK:
            self._next.clear()  # somebody has put the clock back
        self._looked = now
        due = [name for name in self._known if self._next.get(name, now) <= now]
        published: list[JobRef] = []
        try:
            self._speak()
            if due:
                self._look(due, now, published)
                self._is_well("")
        except Exception as error:  # noqa: BLE001  # a store may be a third party's
            kind = "" if isinstance(error, QueueError) else f"{type(error).__name__}: "
            again = now + self._pause_after("", f"no schedule is kept for now: {kind}{error}")
            self._next.update((name, again) for name in due)
        return Ticked(tuple(published), min(self._next.values(), default=None))

    def note(self, outcomes: Sequence[TickOutcome]) -> None:
        """Tell how jobs of schedules have ended; where a tick waits for that, it is due now."""
        with suppress(QueueError):  # history, and the next one tells as much
            tell_outcomes(self._opened(), outcomes)
        for outcome in outcomes:
            if outcome.name in self._waiting:
                self._next.pop(outcome.name, None)

    def close(self) -> None:
        """Keep no more schedules; the other processes hear of it at once."""
        store, self._store = self._store, None
        if store is not None:
            with suppress(QueueError):  # it is forgotten soon
                forget_keeper(store, self._me.id)
            store.close()

    def _opened(self) -> SideStore:
        if self._store is None:
            self._store = self._open_store()
        return self._store

    def _speak(self) -> None:
        moment = self._clock.monotonic()
        if self._spoken is None or moment - self._spoken >= _SPEAK_EVERY:
            tell_keeper(self._opened(), self._me)
            self._spoken = moment

    def _look(self, due: Sequence[str], now: float, published: list[JobRef]) -> None:
        store = self._opened()
        facts, keepers = read_schedules(store, due), read_keepers(store)
        for name in due:
            self._next[name] = self._keep(store, name, (facts, keepers), now, published)

    def _keep(
        self,
        store: SideStore,
        name: str,
        seen: tuple[Mapping[str, ScheduleFact], Iterable[Keeper]],
        now: float,
        published: list[JobRef],
    ) -> float:
        """Publish what is due of one schedule and say so; return when to look at it again."""
        schedule, told = self._known[name]
        for _ in range(_TRIES):
            facts, keepers = seen
            if is_superseded(name, self._me, keepers):
                # Another process publishes it, by a newer definition, until that is gone.
                return now + _SPEAK_EVERY
            found = facts.get(name)
            # Asked only now: what others have said meanwhile is no moment ahead of ours.
            latest = max(now, self._clock.wall())
            stands = standing(found, name, told, now, latest)
            step = advance(schedule, stands, now, self._publish)
            published += step.accepted
            is_known = step.fact == found and step.fact.left > LASTS / 2
            if is_known or write_schedule(store, step.fact):
                break
            # Somebody else was first.
            seen = read_schedules(store, [name]), read_keepers(store)
        else:
            return now + _FIRST_PAUSE
        (self._waiting.discard if step.fact.waiting is None else self._waiting.add)(name)
        if step.error is not None:
            kind = "" if isinstance(step.error, QueueError) else f"{type(step.error).__name__}: "
            told_why = f"a tick of schedule {name!r} is not published yet: {kind}{step.error}"
            return now + self._pause_after(name, told_why)
        self._is_well(name)
        return now if step.has_more else next_look(schedule, step.fact, now)

    def _pause_after(self, name: str, failure: str) -> float:
        """Return how long to wait, in seconds; say why where it is the first time."""
        before = self._pauses.get(name)
        if before is None:
            self.say("WARNING", failure)
        self._pauses[name] = pause = min(2 * before if before else _FIRST_PAUSE, _LONGEST_PAUSE)
        return pause

    def _is_well(self, name: str) -> None:
        if self._pauses.pop(name, None) is not None:
            self.say("INFO", f"schedule {name!r} is kept again" if name else "schedules are kept")
