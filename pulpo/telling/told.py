"""What workers have told, as facts from which it follows why a job is not running.

Knows nothing of the job but its queue.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType

from pulpo.explaining import FullLimit, LiveWorker, Slot
from pulpo.job import JobId
from pulpo.side import SideStore
from pulpo.telling.limits import SeenLimit, read_limits, read_waiters
from pulpo.telling.minutes import MINUTE, MinuteCount, read_minutes
from pulpo.telling.workers import SeenWorker, read_workers

__all__ = ["NOTHING_TOLD", "Told", "rate_of", "read_told"]

# Over so many seconds a rate is taken.
_LATELY = 300.0
# What ends no run, or one that nobody has to wait for: such jobs are in the queue as before.
_NO_END = frozenset({"released", "bounced", "limited"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What is known beside a queue.

    `workers` is None where nothing is known. `is_whole` is False where only workers of this host
    are known. `rate` is how many jobs of the queue are done a second, None without any of late.
    `waits_for` is what jobs wait for that found no slot, by their ids.
    """

    workers: Sequence[LiveWorker] | None = None
    is_whole: bool = True
    rate: float | None = None
    waits_for: Mapping[JobId, FullLimit] = field(default_factory=lambda: MappingProxyType({}))


#: Where there is no store, or none within reach.
NOTHING_TOLD = Told()


def read_told(store: SideStore, queue: str, *, now: float) -> Told:
    """Return what workers have told; `now` is in seconds since the epoch. Raises `QueueError`."""
    return Told(
        workers=[_live(seen, now) for seen in read_workers(store)],
        is_whole=store.is_whole,
        rate=rate_of(read_minutes(store, since=now - _LATELY), queue, now=now),
        waits_for=_read_waits(store),
    )


def _read_waits(store: SideStore) -> Mapping[JobId, FullLimit]:
    waiters = read_waiters(store)
    if not waiters:
        return {}
    limits = {limit.key: _full(limit) for limit in read_limits(store)}
    return {waiter.job.id: limits[waiter.limit] for waiter in waiters if waiter.limit in limits}


def _full(limit: SeenLimit) -> FullLimit:
    holders = tuple(f"{held.job} (pid {held.pid} on {held.host})" for held in limit.holders)
    return FullLimit(shown=limit.shown, slots=limit.concurrency, holders=holders)


def _live(seen: SeenWorker, now: float) -> LiveWorker:
    return LiveWorker(
        name=str(seen.worker),
        host=seen.host,
        pid=seen.pid,
        # One that is stopping takes no more jobs.
        queues=frozenset() if seen.is_stopping else frozenset(seen.queues),
        types=frozenset(seen.types),
        knows_more=seen.types_left_out > 0,
        has_no_thread_free=seen.has_no_thread_free,
        slots=tuple(
            Slot(job=job.id, type=job.type, since=now - job.seconds) for job in seen.running
        ),
    )


def rate_of(counts: Sequence[MinuteCount], queue: str, *, now: float) -> float | None:
    """Return how many jobs of a queue are done a second, by the counts of the last five minutes."""
    lately = [
        count
        for count in counts
        if count.queue == queue and count.outcome not in _NO_END and count.minute > now - _LATELY
    ]
    if not lately:
        return None
    first = min(count.minute for count in lately)
    return sum(count.jobs for count in lately) / max(now - first, MINUTE / 2)
