"""What an operator sees of schedules, and does about them: from any seat, without the code.

All of it is in the facts beside the queue, which the workers keep. Knows no terminal and no page.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, tzinfo
from itertools import islice

from pulpo.adapter import QueueAdapter
from pulpo.codec import Codec
from pulpo.duration import as_text
from pulpo.errors import UnsupportedError, UsageError
from pulpo.identity import new_id
from pulpo.job import Guard, NewJob
from pulpo.periodic import Cron, Overlap
from pulpo.periodic.rules import find_zone
from pulpo.publishing import JobRef, put
from pulpo.schedules import overlap_guard
from pulpo.side import SideStore
from pulpo.telling.schedules import (
    ScheduleFact,
    TickOutcome,
    forget_schedule,
    read_keepers,
    read_outcomes,
    read_schedules,
    write_schedule,
)

__all__ = ["ShownSchedule", "forget", "pause", "resume", "run_now", "see", "see_all"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownSchedule:
    """A schedule as an operator sees it.

    `keepers` is how many worker processes publish it by this definition: with none of them nothing
    comes. `coming` are its next ticks as seconds since the epoch, none while it is paused;
    `problem` says why they are not known here.
    """

    fact: ScheduleFact
    keepers: int
    coming: Sequence[float]
    outcome: TickOutcome | None
    problem: str = ""

    @property
    def name(self) -> str:
        """Its name."""
        return self.fact.name

    @property
    def rule(self) -> str:
        """When it is due: `every 10m`, or a cron expression with its zone."""
        return str(self.fact.definition.timing.rule)

    @property
    def state(self) -> str:
        """`paused`, `kept`, or `nobody` where no worker knows it."""
        return "paused" if self.fact.paused else "kept" if self.keepers else "nobody"

    def in_words(self) -> str:
        """Return the rule as a sentence; empty where that needs an extra that is not here."""
        rule = self.fact.definition.timing.rule
        if not isinstance(rule, Cron):
            return f"{str(rule).capitalize()}, counted from 1970 in UTC"
        try:
            from pulpo.periodic.calendar import in_words  # noqa: PLC0415  # an extra, behind it

            return in_words(rule.expression)
        except UnsupportedError:
            return ""

    def moment(self, second: float | None) -> str:
        """Return a moment as text, in the schedule's own zone; empty for none."""
        if second is None:
            return ""
        return datetime.fromtimestamp(second, self._zone()).strftime("%Y-%m-%d %H:%M:%S %z")

    def _zone(self) -> tzinfo:
        rule = self.fact.definition.timing.rule
        try:
            return find_zone(rule.tz) if isinstance(rule, Cron) else UTC
        except UsageError:
            return UTC

    def as_json(self) -> dict[str, object]:
        """Return it as values that JSON has; moments are in UTC."""
        fact, told = self.fact, self.fact.definition
        rule = told.timing.rule
        return {
            "name": self.name,
            "every": None if isinstance(rule, Cron) else getattr(rule, "seconds", None),
            "cron": rule.expression if isinstance(rule, Cron) else None,
            "tz": rule.tz if isinstance(rule, Cron) else None,
            "type": told.type,
            "queue": told.queue,
            "missed": told.timing.missed.value,
            "within": told.timing.within,
            "overlap": told.timing.overlap.value,
            "paused": fact.paused,
            "workers": self.keepers,
            "next": [_iso(moment) for moment in self.coming],
            "waiting": _iso(fact.waiting),
            "last": {"tick": _iso(fact.tick), "id": fact.job},
            "counts": {
                "published": fact.published,
                "missed": fact.missed,
                "skipped": fact.skipped,
            },
            "outcome": None if self.outcome is None else _outcome_as_json(self.outcome),
        }


def _outcome_as_json(outcome: TickOutcome) -> dict[str, object]:
    return {
        "outcome": outcome.outcome,
        "id": outcome.id,
        "tick": _iso(outcome.tick),
        "reason": outcome.reason,
        "seconds": round(outcome.seconds, 6),
        "ended": _iso(outcome.ended),
    }


def _iso(second: float | None) -> str | None:
    if second is None:
        return None
    moment = datetime.fromtimestamp(second, UTC).isoformat(timespec="seconds")
    return moment.replace("+00:00", "Z")


def see_all(store: SideStore, now: float, *, coming: int = 1) -> list[ShownSchedule]:
    """Return all schedules by name, each with its next ticks; raises `QueueError`."""
    facts, outcomes = read_schedules(store), read_outcomes(store)
    counts = _keepers(store)
    return [_shown(facts[name], outcomes.get(name), counts, now, coming) for name in sorted(facts)]


def see(store: SideStore, name: str, now: float, *, coming: int = 10) -> ShownSchedule | None:
    """Return a schedule, None where nobody has heard of it; raises `QueueError`."""
    fact = read_schedules(store, [name]).get(name)
    if fact is None:
        return None
    return _shown(fact, read_outcomes(store, [name]).get(name), _keepers(store), now, coming)


def _keepers(store: SideStore) -> Mapping[tuple[str, str], int]:
    counts: dict[tuple[str, str], int] = {}
    for keeper in read_keepers(store):
        for known in keeper.schedules.items():
            counts[known] = counts.get(known, 0) + 1
    return counts


def _shown(
    fact: ScheduleFact,
    outcome: TickOutcome | None,
    keepers: Mapping[tuple[str, str], int],
    now: float,
    coming: int,
) -> ShownSchedule:
    moments: list[float] = []
    problem = ""
    try:
        if not fact.paused:
            ticks = fact.definition.timing.rule.after(max(fact.upto, now))
            moments = list(islice(ticks, coming))
    except UsageError as error:  # no cronsim, or no such zone, where this runs
        problem = str(error)
    return ShownSchedule(
        fact=fact,
        keepers=keepers.get((fact.name, fact.definition.digest), 0),
        coming=tuple(moments),
        outcome=outcome,
        problem=problem,
    )


def pause(store: SideStore, name: str) -> bool | None:
    """Publish no tick of a schedule until it is resumed; those are given up, not made up for.

    Returns None where nobody has heard of it, False where it was paused already.
    """
    return _change(store, name, lambda fact: replace(fact, paused=True, waiting=None))


def resume(store: SideStore, name: str, now: float) -> bool | None:
    """Let a schedule go on from now; the answers are those of `pause`."""
    return _change(
        store, name, lambda fact: replace(fact, paused=False, upto=max(fact.upto, now))
        if fact.paused else fact,
    )  # fmt: skip


def _change(
    store: SideStore, name: str, change: Callable[[ScheduleFact], ScheduleFact]
) -> bool | None:
    while True:
        fact = read_schedules(store, [name]).get(name)
        if fact is None:
            return None
        wanted = change(fact)
        if wanted.paused == fact.paused:
            return False
        if write_schedule(store, wanted):
            return True  # else a worker was first, and it is looked at anew


def forget(store: SideStore, name: str) -> bool:
    """Forget a schedule that no code knows any more; a worker that does would begin it anew."""
    return forget_schedule(store, name)


def run_now(adapter: QueueAdapter, fact: ScheduleFact, codec: Codec, now: float) -> JobRef:
    """Publish a job of a schedule by hand, beside its ticks.

    Where it must not overlap with the last one and that is not done, nothing is added, and the
    answer names that one with `existing`. Raises as publishing does, and `CodecError` where nobody
    here vouches for what the workers have left.
    """
    return put(adapter, [_by_hand(fact, codec, now)])[0]


def _by_hand(fact: ScheduleFact, codec: Codec, now: float) -> NewJob:
    told = fact.definition
    envelope = codec.decode(told.sample)
    new = new_id()
    expires = None if told.expires is None else now + told.expires
    guards = [Guard(key, until) for key, until in envelope.guards]
    if told.timing.overlap is not Overlap.ALLOW:
        guards.append(overlap_guard(fact.name))
    envelope = envelope.with_headers(
        id=new,
        schedule=fact.name,
        expires=expires,
        guards=[[guard.key, guard.until] for guard in guards] or None,
    )
    return NewJob(
        id=new,
        type=envelope.type,
        queue=envelope.queue,
        body=codec.encode(envelope.headers, envelope.body),
        priority=envelope.priority,
        ttr=envelope.ttr,
        expires=expires,
        guards=guards,
    )


def age(second: float, now: float) -> str:
    """Return how long ago something was."""
    return f"{as_text(max(round(now - second), 0))} ago"
