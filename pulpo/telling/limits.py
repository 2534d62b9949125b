"""What limits keep beside the queue: who has which slot, who waits for one, which rate is used up.

    for limit in read_limits(store):
        print(limit.shown, len(limit.holders), limit.concurrency, limit.waiting)

Slots are taken by compare-and-set and end by themselves with the worker that has them; those who
wait are in the order in which they are to be woken. Knows how such facts are written and read, not
when.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from pulpo.job import JobId, Sighting
from pulpo.limit import Limit, LimitKey
from pulpo.side import ABSENT, Fact, Removal, SideStore, Write

__all__ = [
    "LASTS",
    "NOT_SEEN",
    "RATES",
    "SLOTS",
    "WAITING",
    "Holder",
    "SeenLimit",
    "Waiter",
    "free_slots",
    "rate_write",
    "read_limits",
    "read_waiters",
    "slot_removal",
    "slot_write",
    "taken_slots",
    "waiter_removal",
    "waiter_write",
]

SLOTS, WAITING, RATES = "slots", "waiting", "rates"
#: So many seconds a slot is held without being renewed.
LASTS = 15.0
#: The number of a job that waits, or is about to, and was not seen yet.
NOT_SEEN = 0
# A job that waits comes again by itself after an hour at most, and then says anew that it waits.
_WAITER_LASTS = 7_200.0
# The longest that a fact can last, and how many are read for an operator.
_LONGEST, _MOST = 2.0**32 - 1, 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Holder:
    """Who has a slot: the job that runs in it, and where."""

    job: JobId
    type: str
    host: str
    pid: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiter:
    """A job that waits for a slot of a limit, by its `LimitKey.text`, and where it was seen."""

    limit: str
    concurrency: int
    job: Sighting
    fact: Fact


@dataclass(frozen=True, slots=True, kw_only=True)
class SeenLimit:
    """A limit of which somebody has a slot, waits for one, or has used up some of the rate.

    `key` is its `LimitKey.text`. `name` is that of the limit or of its job type, `shown` says for
    which values it holds. `concurrency` is 0 and `rate` empty where nothing is known of one.
    `used_for` is in how many seconds all of the rate can be used again.
    """

    key: str
    name: str
    shown: str
    concurrency: int = 0
    holders: tuple[Holder, ...] = ()
    waiting: int = 0
    rate: str = ""
    used_for: float = 0.0


# How facts are written


def slot_write(
    key: LimitKey, limit: Limit, number: int, holder: Holder, *, expected: int = ABSENT
) -> Write:
    """Return how a slot is taken, or renewed where its version is `expected`."""
    value = _value(key, limit, job=holder.job, type=holder.type, host=holder.host, pid=holder.pid)
    where = _slot_key(key.text, number)
    return Write(space=SLOTS, key=where, value=value, lasts=LASTS, expected=expected)


def slot_removal(key: LimitKey, number: int, *, expected: int) -> Removal:
    """Return how a slot is given back."""
    return Removal(space=SLOTS, key=_slot_key(key.text, number), expected=expected)


def waiter_write(key: LimitKey, limit: Limit, priority: int, job: Sighting) -> Write:
    """Return how it is written down that a job waits, and where it was seen."""
    value = _value(key, limit, job=job.id, number=job.number, queue=job.queue)
    where = _waiter_key(key.text, priority, job.id)
    return Write(space=WAITING, key=where, value=value, lasts=_WAITER_LASTS)


def waiter_removal(key: LimitKey, priority: int, job: JobId) -> Removal:
    """Return how it is written down that a job waits no more."""
    return Removal(space=WAITING, key=_waiter_key(key.text, priority, job))


def rate_write(key: LimitKey, limit: Limit, left: float, *, expected: int) -> Write:
    """Return how it is written down for how long a rate is used up; it ends with that."""
    value, lasts = _value(key, limit, rate=limit.rate), min(left, _LONGEST)
    return Write(space=RATES, key=key.text, value=value, lasts=lasts, expected=expected)


def _value(key: LimitKey, limit: Limit, **more: object) -> bytes:
    told = {"name": key.name, "shown": key.shown, "of": limit.concurrency, **more}
    return json.dumps(told, separators=(",", ":")).encode()


def _slot_key(limit: str, number: int) -> str:
    return f"{limit} {number:05d}"


def _waiter_key(limit: str, priority: int, job: JobId) -> str:
    # The most urgent first, then the oldest: an id begins with the time when it was made.
    return f"{limit} {priority:010d} {job}"


# How they are read


def free_slots(store: SideStore, key: LimitKey, limit: Limit) -> list[int]:
    """Return the numbers of the slots that nobody has; raises `QueueError`."""
    taken = {fact.key for fact in _of(store, SLOTS, key.text)}
    numbers = range(limit.concurrency or 0)
    return [number for number in numbers if _slot_key(key.text, number) not in taken]


def taken_slots(store: SideStore, limit: str) -> int:
    """Return how many slots somebody has, by `LimitKey.text`; raises `QueueError`."""
    return len(_of(store, SLOTS, limit))


def read_waiters(store: SideStore, limit: str | None = None, *, most: int = _MOST) -> list[Waiter]:
    """Return who waits, of one limit or of all, the next ones first; raises `QueueError`."""
    if limit is None:
        facts = store.scan(WAITING, limit=most)
    else:
        facts = _of(store, WAITING, limit, most=most)
    return [waiter for fact in facts if (waiter := _waiter(fact)) is not None]


def read_limits(store: SideStore) -> tuple[SeenLimit, ...]:
    """Return the limits that are at work, as they are shown; raises `QueueError`."""
    found: dict[str, SeenLimit] = {}
    for space in (SLOTS, WAITING, RATES):
        for fact in store.scan(space, limit=_MOST):
            limit = _limit_of(fact)
            found[limit] = _with(found.get(limit), fact)
    return tuple(sorted(found.values(), key=lambda limit: limit.shown))


def _of(store: SideStore, space: str, limit: str, *, most: int | None = None) -> Sequence[Fact]:
    # "!" comes right after the space that ends the name of a limit.
    return store.scan(space, first=f"{limit} ", before=f"{limit}!", limit=most)


def _limit_of(fact: Fact) -> str:
    return fact.key.partition(" ")[0]


def _with(before: SeenLimit | None, fact: Fact) -> SeenLimit:
    told, limit = _told(fact), _limit_of(fact)
    seen = before or SeenLimit(
        key=limit,
        name=str(told.get("name", limit)),
        shown=str(told.get("shown", limit)),
        concurrency=_number(told, "of"),
    )
    if fact.space == WAITING:
        return replace(seen, waiting=seen.waiting + 1)
    if fact.space == RATES:
        return replace(seen, rate=str(told.get("rate", "")), used_for=fact.left or 0.0)
    holder = Holder(
        job=str(told.get("job", "")),
        type=str(told.get("type", "")),
        host=str(told.get("host", "")),
        pid=_number(told, "pid"),
    )
    return replace(seen, holders=(*seen.holders, holder))


def _waiter(fact: Fact) -> Waiter | None:
    told = _told(fact)
    if not {"job", "queue"} <= told.keys():
        return None  # not of our making
    return Waiter(
        limit=_limit_of(fact),
        concurrency=_number(told, "of"),
        job=Sighting(str(told["job"]), _number(told, "number"), str(told["queue"])),
        fact=fact,
    )


def _number(told: Mapping[str, Any], name: str) -> int:
    value = told.get(name)
    return value if type(value) is int else 0


def _told(fact: Fact) -> Mapping[str, Any]:
    """Return what a fact says; nothing of no known shape."""
    try:
        found = json.loads(fact.value)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}
