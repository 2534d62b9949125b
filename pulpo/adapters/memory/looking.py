"""A job of a store as an operator sees it; called with its lock held."""

from __future__ import annotations

from pulpo.adapters.memory.line import Entry
from pulpo.adapters.memory.store import Store
from pulpo.job import JobState, ListedJob

__all__ = ["listed", "place"]

_RANK = {JobState.RESERVED: 0, JobState.READY: 1, JobState.DELAYED: 2, JobState.BURIED: 3}


def place(store: Store, entry: Entry) -> tuple[int, float, int, int]:
    """Return what a list is sorted by: the reserved ones, then as they would run."""
    return _RANK[entry.state], _due(store, entry), entry.job.priority, entry.number


def listed(store: Store, entry: Entry) -> ListedJob:
    """Return what an operator sees of a job."""
    return ListedJob(
        id=entry.job.id,
        number=entry.number,
        queue=entry.job.queue,
        state=entry.state,
        body=entry.job.body,
        priority=entry.job.priority,
        due=_due(store, entry),
        ttr=entry.job.ttr,
        crashes=entry.crashes,
    )


def _due(store: Store, entry: Entry) -> float:
    if entry.state is not JobState.DELAYED:
        return 0.0
    clock, at = store.clock, entry.job.at
    ends = (entry.due - clock.monotonic(), at - clock.wall() if at is not None else 0.0)
    return max(0.0, *ends)
