"""What was done, minute by minute: counters by queue, type and outcome, kept for a day.

Knows how such counters are written and read, and the buckets in which times are counted; not where
the numbers come from.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from operator import add, attrgetter
from typing import Literal, TypeAlias

from pulpo.side import Addition, Fact, SideStore

__all__ = [
    "BOUNDS",
    "KEYS",
    "LASTS",
    "MinuteCount",
    "merged",
    "quantile",
    "read_minutes",
    "tell_minutes",
]

_SPACE = "minutes"
#: Seconds for which a minute is kept.
LASTS = 86_400.0
MINUTE = 60
#: The upper bounds of the buckets in seconds; after the last one there is one more, without.
BOUNDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 600.0)
Key: TypeAlias = Literal["minute", "queue", "type", "outcome"]
#: What tells counts apart.
KEYS: tuple[Key, ...] = ("minute", "queue", "type", "outcome")
_NONE = (0,) * (len(BOUNDS) + 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class MinuteCount:
    """Jobs of one minute, queue and type with the same outcome.

    `minute` is its first second since the epoch. `outcome` is a word of the worker's log: success,
    retried, snoozed, cancelled, buried, expired, lost, duplicate, bounced, limited or released.
    `seconds` is
    how long the runs took together, `runtimes` how many of them are in each bucket: of `BOUNDS`,
    the last one for longer ones. `waits` is the same for the time between publishing and the first
    run of jobs without a delay, of which `waited` seconds is the sum; only some jobs are asked for
    it.
    """

    minute: int
    queue: str
    type: str
    outcome: str
    jobs: int
    seconds: float = 0.0
    runtimes: tuple[int, ...] = _NONE
    waited: float = 0.0
    waits: tuple[int, ...] = _NONE


def tell_minutes(store: SideStore, counts: Sequence[MinuteCount]) -> None:
    """Add counts to what is there; raises `QueueError`."""
    store.add([_addition(count) for count in counts])


def read_minutes(
    store: SideStore, *, since: float, until: float | None = None
) -> tuple[MinuteCount, ...]:
    """Return the counts from the minute of `since` on, up to the one before that of `until`.

    Both are seconds since the epoch. By minute, queue, type, outcome. Raises `QueueError`.
    """
    before = None if until is None else _key_of(until)
    found = store.scan(_SPACE, first=_key_of(since), before=before)
    return tuple(count for fact in found if (count := _count(fact)) is not None)


def merged(
    counts: Iterable[MinuteCount],
    by: Sequence[Key] = ("queue", "type", "outcome"),
) -> tuple[MinuteCount, ...]:
    """Add up counts that agree in what is named; what is not named is 0 or empty in the sums."""
    named = attrgetter(*by) if by else None
    sums: dict[object, _Sum] = {}
    for count in counts:
        key = None if named is None else named(count)
        found = sums.get(key)
        if found is None:
            sums[key] = _Sum(count)
        else:
            found.add(count)
    return tuple(found.as_count(by) for found in sums.values())


def quantile(buckets: Sequence[int], share: float) -> float | None:
    """Estimate which time that share (0 to 1) of the counted stay within, in seconds.

    Within a bucket it takes them as spread evenly; beyond the last bound it says that bound. None
    where nothing was counted.
    """
    total = sum(buckets)
    if not total:
        return None
    rank, seen, lower = share * total, 0, 0.0
    for upper, number in zip(BOUNDS, buckets, strict=False):
        if number and seen + number >= rank:
            return lower + (upper - lower) * max(rank - seen, 0.0) / number
        seen, lower = seen + number, upper
    return BOUNDS[-1]


# How a count is written

_RUN = [f"run<={bound:g}" for bound in BOUNDS] + ["run"]
_WAIT = [f"wait<={bound:g}" for bound in BOUNDS] + ["wait"]


def _key_of(second: float) -> str:
    # Of one length, so that keys are in the order of time.
    return f"{max(int(second // MINUTE), 0):010d}"


def _addition(count: MinuteCount) -> Addition:
    amounts: dict[str, float] = {
        "jobs": count.jobs,
        "seconds": count.seconds,
        "waited": count.waited,
        **dict(zip(_RUN, count.runtimes, strict=True)),
        **dict(zip(_WAIT, count.waits, strict=True)),
    }
    # Neither a queue nor a type has a space in its name.
    key = f"{_key_of(count.minute)} {count.queue} {count.type} {count.outcome}"
    told = {name: amount for name, amount in amounts.items() if amount}
    return Addition(space=_SPACE, key=key, amounts=told, lasts=LASTS)


def _count(fact: Fact) -> MinuteCount | None:
    minute, *names = fact.key.split(" ")
    if len(names) != 3 or not minute.isdecimal():
        return None  # not of our making
    queue, type, outcome = names
    amounts = fact.amounts
    return MinuteCount(
        minute=int(minute) * MINUTE,
        queue=queue,
        type=type,
        outcome=outcome,
        jobs=int(amounts.get("jobs", 0)),
        seconds=amounts.get("seconds", 0.0),
        runtimes=_numbers(amounts, _RUN),
        waited=amounts.get("waited", 0.0),
        waits=_numbers(amounts, _WAIT),
    )


def _numbers(amounts: Mapping[str, float], names: Sequence[str]) -> tuple[int, ...]:
    return tuple(int(amounts.get(name, 0)) for name in names)


class _Sum:
    """Counts added up in place: an hour of them is some ten thousand."""

    __slots__ = ("first", "jobs", "runtimes", "seconds", "waited", "waits")

    def __init__(self, first: MinuteCount) -> None:
        self.first = first
        self.jobs, self.seconds, self.waited = first.jobs, first.seconds, first.waited
        self.runtimes: Sequence[int] = first.runtimes
        self.waits: Sequence[int] = first.waits

    def add(self, count: MinuteCount) -> None:
        self.jobs += count.jobs
        self.seconds += count.seconds
        self.waited += count.waited
        self.runtimes = list(map(add, self.runtimes, count.runtimes))
        self.waits = list(map(add, self.waits, count.waits))

    def as_count(self, by: Sequence[str]) -> MinuteCount:
        first = self.first
        return MinuteCount(
            minute=first.minute if "minute" in by else 0,
            queue=first.queue if "queue" in by else "",
            type=first.type if "type" in by else "",
            outcome=first.outcome if "outcome" in by else "",
            jobs=self.jobs,
            seconds=self.seconds,
            runtimes=tuple(self.runtimes),
            waited=self.waited,
            waits=tuple(self.waits),
        )
