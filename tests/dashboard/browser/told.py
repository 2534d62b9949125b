"""What a worker would have told beside a queue in its last hour, for pages to show."""

from __future__ import annotations

import time
from contextlib import closing

import pytest

from pulpo.adapters import open_engine
from pulpo.identity import new_id
from pulpo.side import side_of
from pulpo.telling import (
    BOUNDS,
    MinuteCount,
    RunningJob,
    SeenWorker,
    tell_minutes,
    tell_worker,
    workers,
)

__all__ = ["tell"]


def tell(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Tell of one worker that runs one job, and of an hour of mails."""
    # Nobody tells it anew, and pages are looked at for longer.
    monkeypatch.setattr(workers, "LASTS", 600.0)
    store = side_of(open_engine(url))
    assert store is not None
    now = time.time()
    minute = int(now // 60) * 60
    with closing(store):
        tell_worker(store, _worker(now))
        tell_minutes(
            store,
            [_count(minute - 60 * n, "success", 40 + n * 7 % 60) for n in range(60)]
            + [_count(minute - 60 * n, "retried", n * 5 % 9) for n in range(60)],
        )


def _worker(now: float) -> SeenWorker:
    running = RunningJob(
        slot="thread-1",
        id=new_id(),
        type="report.weekly",
        queue="reports",
        attempt=1,
        seconds=42.0,
        timeout=600.0,
    )
    return SeenWorker(
        id=new_id(),
        host="app-1",
        pid=812,
        worker=811,
        started=now - 9_600,
        queues=("mail", "reports"),
        types=("mail.welcome", "report.weekly"),
        threads=8,
        async_slots=100,
        busy=1,
        running=(running,),
    )


def _count(minute: int, outcome: str, jobs: int) -> MinuteCount:
    place = BOUNDS.index(0.1)
    return MinuteCount(
        minute=minute,
        queue="mail",
        type="mail.welcome",
        outcome=outcome,
        jobs=jobs,
        seconds=jobs * 0.08,
        runtimes=tuple(jobs if n == place else 0 for n in range(len(BOUNDS) + 1)),
    )
