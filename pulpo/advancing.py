"""How far one schedule has come: from what is known of it to what is then, with what it publishes.

The only effect is the call of `publish`. Facts are read and written by `pulpo.timekeeping`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Protocol

from pulpo.periodic import Overlap, handover, plan, trusted
from pulpo.publishing import JobRef
from pulpo.schedules import Schedule, Tick
from pulpo.telling.schedules import Definition, Keeper, ScheduleFact

__all__ = ["ASK_AGAIN", "Advance", "Publish", "advance", "is_superseded", "next_look", "standing"]

#: A tick that waits for the end of the last job is offered again after so many seconds.
ASK_AGAIN = 5.0
# So many ticks are published before that is said: others go on from there, if need be.
_AT_ONCE = 50
# How often each schedule is looked at where nothing is due, in seconds: its fact must not end.
_LOOK_EVERY = 86_400.0


class Publish(Protocol):
    """Whoever puts a tick into its queue."""

    def __call__(self, tick: Tick, /) -> JobRef | None:
        """Publish it; None where middleware has kept it back. Raises as publishing does."""
        ...


@dataclass(frozen=True, slots=True)
class Advance:
    """What one look at a schedule has come to.

    `fact` is how it stands now, to be written; `accepted` what was published by this look, `error`
    what kept it from going on, and `has_more` tells that there is more to be published now.
    """

    fact: ScheduleFact
    accepted: tuple[JobRef, ...] = ()
    error: Exception | None = None
    has_more: bool = False


def is_superseded(name: str, me: Keeper, keepers: Iterable[Keeper]) -> bool:
    """Tell whether a process of a later deploy keeps a schedule by another definition.

    It may be gone without a word; then it is no keeper soon, and who was before it is asked again.
    """
    mine = me.schedules[name]
    return any(
        (keeper.since, keeper.id) > (me.since, me.id) and keeper.schedules.get(name, mine) != mine
        for keeper in keepers
    )


def standing(
    fact: ScheduleFact | None, name: str, told: Definition, now: float, latest: float
) -> ScheduleFact:
    """Return how a schedule stands by its definition here.

    One that nobody has seen begins now, and so does one of which a clock far ahead has said that
    all is published: ahead of `latest`, the time after the fact was read. One with another rule
    makes up for nothing that was never due.
    """
    if fact is None:
        return ScheduleFact(name=name, definition=told, upto=now)
    if trusted(fact.upto, latest) != fact.upto:
        fact = replace(fact, upto=now)
    if fact.definition.digest == told.digest:
        return fact
    before, upto = fact.definition.timing.rule, fact.upto
    if before != told.timing.rule:
        upto = handover(before, upto, now)
    return replace(fact, definition=told, upto=upto)


def advance(schedule: Schedule, fact: ScheduleFact, now: float, publish: Publish) -> Advance:
    """Publish what is due, in order; stop at the first tick that fails, which is due again then."""
    if fact.paused:
        return Advance(fact)
    found = plan(schedule.timing, fact.upto, now)
    accepted: list[JobRef] = []
    offered = found.ticks if fact.waiting is None else (fact.waiting, *found.ticks)
    some = offered[:_AT_ONCE]
    for at in some:
        if fact.waiting is not None and at != fact.waiting:
            fact = replace(fact, skipped=fact.skipped + 1, upto=at)  # one waits, that is enough
            continue
        tick = schedule.tick(at)
        try:
            ref = publish(tick)
        except Exception as error:  # noqa: BLE001  # a queue, or somebody's middleware
            return Advance(fact, tuple(accepted), error)
        fact = _offered(schedule, fact, tick, ref)
        if ref is not None and not ref.existing:
            accepted.append(ref)
    has_more = len(some) < len(offered)
    upto = fact.upto if has_more else max(fact.upto, found.upto)
    fact = replace(fact, upto=upto, missed=fact.missed + found.missed)
    return Advance(fact, tuple(accepted), has_more=has_more)


def _offered(
    schedule: Schedule, fact: ScheduleFact, tick: Tick, ref: JobRef | None
) -> ScheduleFact:
    """Return how it stands once a tick was offered to its queue."""
    upto = max(fact.upto, tick.at)
    if ref is not None and ref.id == tick.message.id:
        # Accepted now, or by somebody who has not come to say so.
        return replace(
            fact,
            upto=upto,
            waiting=None,
            published=fact.published + 1,
            job=ref.id,
            tick=tick.at,
        )
    if ref is not None and schedule.timing.overlap is Overlap.QUEUE:
        return replace(fact, upto=upto, waiting=tick.at)
    return replace(fact, upto=upto, skipped=fact.skipped + 1)


def next_look(schedule: Schedule, fact: ScheduleFact, now: float) -> float:
    """Return when to look at a schedule again, in seconds since the epoch."""
    coming = next(schedule.timing.rule.after(max(fact.upto, now)), now + _LOOK_EVERY)
    if fact.waiting is not None and not fact.paused:
        coming = min(coming, now + ASK_AGAIN)
    return min(coming, now + _LOOK_EVERY)
