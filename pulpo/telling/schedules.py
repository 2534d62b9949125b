"""What is known of schedules beside the queue: one fact each, who keeps them, and how they ended.

Three spaces. `schedules` is guarded by compare-and-set: up to which tick all is published, whether
it is paused, and its definition, so that every seat sees it without the code. `timekeepers` says
which processes publish which definitions; it ends by itself once a process is silent.
`schedule-outcomes` has how the last job of each ended. Knows how these are written and read, not
when anything is due.
"""

from __future__ import annotations

import json
from base64 import b64decode, b64encode
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from hashlib import sha256
from typing import Any, TypeVar

from pulpo.periodic import Cron, Every, Missed, Overlap, Rule, Timing
from pulpo.side import ABSENT, Fact, Removal, SideStore, Write

__all__ = [
    "KEEPER_LASTS",
    "Definition",
    "Keeper",
    "ScheduleFact",
    "TickOutcome",
    "forget_keeper",
    "forget_schedule",
    "read_keepers",
    "read_outcomes",
    "read_schedules",
    "tell_keeper",
    "tell_outcomes",
    "write_schedule",
]

_SCHEDULES, _KEEPERS, _OUTCOMES = "schedules", "timekeepers", "schedule-outcomes"
#: So many seconds after its last word a process is taken to publish nothing more.
KEEPER_LASTS = 90.0
#: How long a schedule is known of which nobody has heard: longer than the year from tick to tick.
LASTS = 400 * 86_400.0
T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Definition:
    """What a schedule is, as the code or the settings say.

    `sample` is a job of it as bytes, `expires` how many seconds each is worth running.
    """

    timing: Timing
    type: str
    queue: str
    sample: bytes
    expires: float | None = None

    @property
    def digest(self) -> str:
        """A word that is another one for each other definition."""
        return sha256(json.dumps(_told(self), sort_keys=True).encode()).hexdigest()[:16]


@dataclass(frozen=True, slots=True, kw_only=True)
class ScheduleFact:
    """How it stands with one schedule.

    All ticks up to `upto` (seconds since the epoch) are published or given up. `waiting` is a tick
    that is published once the last job is done. `published`, `missed` and `skipped` count ticks,
    `job` and `tick` are of the last one. `version` is the fact's, `left` how long it lasts.
    """

    name: str
    definition: Definition
    upto: float
    waiting: float | None = None
    paused: bool = False
    published: int = 0
    missed: int = 0
    skipped: int = 0
    job: str | None = None
    tick: float | None = None
    version: int = ABSENT
    left: float = LASTS


@dataclass(frozen=True, slots=True, kw_only=True)
class Keeper:
    """A process that publishes ticks: `schedules` maps the names it knows to their digests.

    `since` orders deploys: when its worker was started, then when the process was.
    """

    id: str
    since: tuple[float, float]
    schedules: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class TickOutcome:
    """How the last job of a schedule ended that somebody has settled.

    `outcome` is a word of the worker's log, `tick` the moment that it was published for, None for
    one by hand; `ended` is in seconds since the epoch.
    """

    name: str
    id: str
    tick: float | None
    outcome: str
    reason: str
    seconds: float
    ended: float


def read_schedules(
    store: SideStore, names: Sequence[str] | None = None
) -> Mapping[str, ScheduleFact]:
    """Return the schedules of these names, or all, by name; raises `QueueError`.

    Facts that are of no known shape are left out: a newer pulpo's, say.
    """
    found = store.scan(_SCHEDULES) if names is None else store.read(_SCHEDULES, names)
    return {seen.name: seen for seen in _readable(_schedule, found)}


def write_schedule(store: SideStore, fact: ScheduleFact) -> bool:
    """Write how it stands, where the fact has the version of `fact` still; raises `QueueError`.

    False where somebody else was first.
    """
    told = {
        "upto": fact.upto,
        "waiting": fact.waiting,
        "paused": fact.paused,
        "published": fact.published,
        "missed": fact.missed,
        "skipped": fact.skipped,
        "job": fact.job,
        "tick": fact.tick,
        "definition": _told(fact.definition),
    }
    write = Write(
        space=_SCHEDULES, key=fact.name, value=_packed(told), lasts=LASTS, expected=fact.version
    )
    return store.write([write])[0].done


def forget_schedule(store: SideStore, name: str) -> bool:
    """Forget all about a schedule; False where it was not known. Raises `QueueError`."""
    return store.remove([Removal(space=_SCHEDULES, key=name)])[0]


def tell_keeper(store: SideStore, keeper: Keeper) -> None:
    """Say which schedules a process keeps; raises `QueueError`."""
    told = {"since": keeper.since, "schedules": dict(keeper.schedules)}
    store.write([Write(space=_KEEPERS, key=keeper.id, value=_packed(told), lasts=KEEPER_LASTS)])


def forget_keeper(store: SideStore, id: str) -> None:
    """Say that a process keeps no more schedules; raises `QueueError`."""
    store.remove([Removal(space=_KEEPERS, key=id)])


def read_keepers(store: SideStore) -> tuple[Keeper, ...]:
    """Return the processes that keep schedules; raises `QueueError`."""
    return tuple(_readable(_keeper, store.scan(_KEEPERS)))


def tell_outcomes(store: SideStore, outcomes: Iterable[TickOutcome]) -> None:
    """Say how jobs of schedules ended; raises `QueueError`."""
    writes = []
    for outcome in outcomes:
        told = asdict(outcome)
        del told["name"]
        writes.append(Write(space=_OUTCOMES, key=outcome.name, value=_packed(told), lasts=LASTS))
    store.write(writes)


def read_outcomes(
    store: SideStore, names: Sequence[str] | None = None
) -> Mapping[str, TickOutcome]:
    """Return how the last job of each schedule ended, by name; raises `QueueError`."""
    found = store.scan(_OUTCOMES) if names is None else store.read(_OUTCOMES, names)
    return {seen.name: seen for seen in _readable(_outcome, found)}


# How they are written


def _packed(told: Mapping[str, object]) -> bytes:
    return json.dumps(told, separators=(",", ":")).encode()


def _told(definition: Definition) -> dict[str, object]:
    timing, rule = definition.timing, definition.timing.rule
    when: dict[str, object] = (
        {"cron": rule.expression, "tz": rule.tz}
        if isinstance(rule, Cron)
        else {"every": getattr(rule, "seconds", None)}
    )
    return {
        **when,
        "missed": timing.missed.value,
        "within": timing.within,
        "overlap": timing.overlap.value,
        "type": definition.type,
        "queue": definition.queue,
        "expires": definition.expires,
        "sample": b64encode(definition.sample).decode(),
    }


def _readable(read: Callable[[str, Any, Fact], T], facts: Iterable[Fact | None]) -> list[T]:
    found = []
    for fact in facts:
        if fact is None:
            continue
        try:
            found.append(read(fact.key, json.loads(fact.value), fact))
        except (ValueError, TypeError, KeyError, AttributeError, OverflowError):
            continue
    return found


def _schedule(name: str, told: Any, fact: Fact) -> ScheduleFact:
    seen = ScheduleFact(
        name=name,
        definition=_definition(told["definition"]),
        upto=float(told["upto"]),
        waiting=_moment(told.get("waiting")),
        paused=bool(told.get("paused")),
        published=int(told.get("published", 0)),
        missed=int(told.get("missed", 0)),
        skipped=int(told.get("skipped", 0)),
        job=None if told.get("job") is None else str(told["job"]),
        tick=_moment(told.get("tick")),
    )
    return replace(seen, version=fact.version, left=LASTS if fact.left is None else fact.left)


def _definition(told: Any) -> Definition:
    rule: Rule = (
        Cron(str(told["cron"]), str(told["tz"])) if "cron" in told else Every(int(told["every"]))
    )
    return Definition(
        timing=Timing(
            rule=rule,
            missed=Missed(told["missed"]),
            within=float(told["within"]),
            overlap=Overlap(told["overlap"]),
        ),
        type=str(told["type"]),
        queue=str(told["queue"]),
        sample=b64decode(told["sample"]),
        expires=_moment(told.get("expires")),
    )


def _keeper(id: str, told: Any, fact: Fact) -> Keeper:  # noqa: ARG001  # as all that read
    first, second = told["since"]
    schedules = {str(name): str(digest) for name, digest in told["schedules"].items()}
    return Keeper(id=id, since=(float(first), float(second)), schedules=schedules)


def _outcome(name: str, told: Any, fact: Fact) -> TickOutcome:  # noqa: ARG001  # as all that read
    return TickOutcome(
        name=name,
        id=str(told["id"]),
        tick=_moment(told["tick"]),
        outcome=str(told["outcome"]),
        reason=str(told["reason"]),
        seconds=float(told["seconds"]),
        ended=float(told["ended"]),
    )


def _moment(value: object) -> float | None:
    return None if value is None else float(value)  # type: ignore[arg-type]  # a ValueError, then
