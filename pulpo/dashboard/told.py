"""What workers have told beside the queue, read for the pages.

A store belongs to one thread, so each thread that asks opens one. Where it is out of reach nothing
is known, which is not the same as that nothing is there.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import TypeVar

from pulpo.adapter import Engine
from pulpo.clock import Clock
from pulpo.dashboard.side import Minute, RunningJob, TypeToll, WorkerSeen
from pulpo.errors import QueueError
from pulpo.side import SideStore, side_of
from pulpo.telling import (
    AskedStacks,
    MinuteCount,
    SeenWorker,
    ask_stacks,
    merged,
    quantile,
    read_minutes,
    read_stacks,
    read_workers,
)
from pulpo.telling.limits import SeenLimit, read_limits
from pulpo.telling.told import NOTHING_TOLD, Told, read_told

__all__ = ["SideTelling"]

T = TypeVar("T")

_HOUR, _MINUTE = 3_600, 60
# A minute is counted up for so long after its end: workers tell it a little late.
_SETTLES = 120
_SUCCEEDED, _FAILED = ("success",), ("retried", "buried")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Hour:
    """Counts of an hour or a part of it: by minute, queue and outcome, and by type and outcome."""

    by_queue: Sequence[MinuteCount]
    by_type: Sequence[MinuteCount]


def _hour_of(counts: Sequence[MinuteCount]) -> _Hour:
    return _Hour(
        by_queue=merged(counts, ("minute", "queue", "outcome")),
        by_type=merged(counts, ("type", "outcome")),
    )


class SideTelling:
    """Reads the side store of an engine; any thread may ask, `close` is called at the end."""

    def __init__(self, engine: Engine, clock: Clock) -> None:
        self._engine = engine
        self._clock = clock
        self._own = threading.local()
        self._opened: list[SideStore] = []
        self._lock = threading.Lock()
        # Of the last hour, by the minute: those that nobody adds to any more, added up for pages.
        self._settled: dict[int, _Hour] = {}
        self._settled_until = 0

    def workers(self) -> Sequence[WorkerSeen] | None:
        """Return the worker processes that have spoken in the last seconds."""
        return self._ask(lambda store: [_seen(worker) for worker in read_workers(store)])

    @property
    def knows_all(self) -> bool:
        """Whether all workers tell here; False where each host has a store of its own."""
        return self._ask(lambda store: store.is_whole) is not False

    def ask_stacks(self, id: str) -> bool:
        """Ask a worker process for its stacks; False where it has ended, or is out of reach."""

        def ask(store: SideStore) -> bool:
            if all(worker.id != id for worker in read_workers(store)):
                return False
            ask_stacks(store, id)
            return True

        return self._ask(ask) or False

    def stacks(self, ids: Sequence[str]) -> Mapping[str, AskedStacks]:
        """Return what worker processes were asked and have answered."""
        return self._ask(lambda store: read_stacks(store, *ids)) or {}

    def minutes(self, queue: str | None = None) -> Sequence[Minute] | None:
        """Return the last hour; None where no worker that tells here has ended a job in it."""
        hour = self._ask(self._read_hour)
        if hour is None or not hour.by_queue:
            return None
        now = self._now_minute()
        chosen = [count for count in hour.by_queue if queue in (None, count.queue)]
        by_minute: dict[int, list[MinuteCount]] = {}
        for count in merged(chosen, ("minute", "outcome")):
            by_minute.setdefault(count.minute, []).append(count)
        first = now - _HOUR + _MINUTE
        return [_minute(at, by_minute.get(at, ())) for at in range(first, now + 1, _MINUTE)]

    def types(self) -> Sequence[TypeToll] | None:
        """Return what became of jobs in the last hour, by their types."""
        by_type: dict[str, list[MinuteCount]] = {}
        hour = self._ask(self._read_hour)
        if hour is None:
            return None
        for count in merged(hour.by_type, ("type", "outcome")):
            by_type.setdefault(count.type, []).append(count)
        return [_toll(name, by_type[name]) for name in sorted(by_type)]

    def limits(self) -> Sequence[SeenLimit]:
        """Return the limits that hold jobs back now."""
        return self._ask(read_limits) or ()

    def of(self, queue: str, *, now: float) -> Told:
        """Return what is known of those who work on a queue; `now` in seconds since the epoch."""
        return self._ask(lambda store: read_told(store, queue, now=now)) or NOTHING_TOLD

    def close(self) -> None:
        """Let go of the stores, once nobody asks any more."""
        while self._opened:
            with suppress(QueueError):
                self._opened.pop().close()

    def _read_hour(self, store: SideStore) -> _Hour:
        """Return the last hour; reads only what may have changed since the last time."""
        now = self._now_minute()
        with self._lock:
            since = max(self._settled_until, now - _HOUR + _MINUTE)
            until = now - _SETTLES
            fresh: dict[int, list[MinuteCount]] = {}
            for count in read_minutes(store, since=since):
                fresh.setdefault(count.minute, []).append(count)
            read = {minute: _hour_of(counts) for minute, counts in fresh.items()}
            self._settled |= {minute: hour for minute, hour in read.items() if minute < until}
            self._settled_until = max(self._settled_until, until)
            for minute in [each for each in self._settled if each <= now - _HOUR]:
                del self._settled[minute]
            hours = (self._settled | read).values()
        return _Hour(
            by_queue=[count for hour in hours for count in hour.by_queue],
            by_type=[count for hour in hours for count in hour.by_type],
        )

    def _now_minute(self) -> int:
        return int(self._clock.wall() // _MINUTE) * _MINUTE

    def _ask(self, work: Callable[[SideStore], T]) -> T | None:
        try:
            store = self._store()
            return None if store is None else work(store)
        except QueueError:
            return None

    def _store(self) -> SideStore | None:
        store: SideStore | None = getattr(self._own, "store", None)
        if store is None:
            store = self._own.store = side_of(self._engine)
            if store is not None:
                self._opened.append(store)
        return store


def _seen(worker: SeenWorker) -> WorkerSeen:
    return WorkerSeen(
        name=f"{worker.host}/{worker.pid}",
        host=worker.host,
        pid=worker.pid,
        queues=worker.queues,
        slots=worker.threads + worker.async_slots,
        busy=worker.busy,
        beat=worker.age,
        id=worker.id,
        has_no_thread_free=worker.has_no_thread_free,
        running=tuple(
            RunningJob(
                id=job.id,
                type=job.type,
                queue=job.queue,
                seconds=job.seconds,
                is_overdue=job.is_stuck,
            )
            for job in worker.running
        ),
    )


def _minute(at: int, counts: Sequence[MinuteCount]) -> Minute:
    return Minute(
        at=at,
        succeeded=_jobs(counts, _SUCCEEDED),
        failed=_jobs(counts, _FAILED),
        median=quantile(_runtimes(counts), 0.5),
    )


def _toll(name: str, counts: Sequence[MinuteCount]) -> TypeToll:
    runtimes = _runtimes(counts)
    return TypeToll(
        type=name,
        succeeded=_jobs(counts, _SUCCEEDED),
        failed=_jobs(counts, _FAILED),
        median=quantile(runtimes, 0.5),
        slowest=quantile(runtimes, 1.0),
    )


def _jobs(counts: Sequence[MinuteCount], outcomes: Sequence[str]) -> int:
    return sum(count.jobs for count in counts if count.outcome in outcomes)


def _runtimes(counts: Sequence[MinuteCount]) -> Sequence[int]:
    return merged(counts, ())[0].runtimes if counts else ()
