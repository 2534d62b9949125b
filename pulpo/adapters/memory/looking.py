"""Jobs in memory as an operator sees them: one, a page of them, all of them.

Reads only. Who looks at single jobs holds the store's lock; walks take it for each page.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from pulpo.adapters.memory.line import Entry
from pulpo.adapters.memory.store import Store
from pulpo.job import JobState, ListedJob, Page
from pulpo.spread import spread

__all__ = ["place", "sample", "shown", "walk"]

_PAGE = 250
_RANK = {JobState.RESERVED: 0, JobState.READY: 1, JobState.DELAYED: 2, JobState.BURIED: 3}


def shown(store: Store, entry: Entry) -> ListedJob:
    """Return a job as an operator sees it."""
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


def place(store: Store, entry: Entry) -> tuple[int, float, int, int]:
    """Return what to sort by: the reserved ones, then the others as they would run."""
    return (_RANK[entry.state], _due(store, entry), entry.job.priority, entry.number)


def walk(store: Store, queue: str | None, state: JobState | None) -> Iterator[Page]:
    """Yield the jobs of a queue and a state, the oldest first."""
    numbers = _numbers(store)
    for start in range(0, len(numbers), _PAGE):
        jobs = [
            job
            for job in _page(store, numbers[start : start + _PAGE])
            if queue in (None, job.queue) and state in (None, job.state)
        ]
        yield Page(jobs, min(start + _PAGE, len(numbers)))


def sample(store: Store) -> Iterator[Sequence[ListedJob]]:
    """Yield every job, the first pages from all over."""
    numbers = _numbers(store)
    for number in spread(-(-len(numbers) // _PAGE)):
        yield _page(store, numbers[number * _PAGE : (number + 1) * _PAGE])


def _numbers(store: Store) -> Sequence[int]:
    with store.lock:
        return list(store.entries)


def _page(store: Store, numbers: Sequence[int]) -> Sequence[ListedJob]:
    """Return those of the jobs with these numbers that are there."""
    with store.lock:
        store.tick()
        found = map(store.entries.get, numbers)
        return [shown(store, entry) for entry in found if entry is not None]


def _due(store: Store, entry: Entry) -> float:
    if entry.state is not JobState.DELAYED:
        return 0.0
    clock, at = store.clock, entry.job.at
    ends = (entry.due - clock.monotonic(), at - clock.wall() if at is not None else 0.0)
    return max(0.0, *ends)
