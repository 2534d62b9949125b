"""The first jobs of a queue or of all, without walking through a million of them.

What cannot be listed within a page's time is sampled, and the answer says so. Knows no page.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pulpo.adapter import Glimpsing, QueueAdmin
from pulpo.job import JobId, JobState, ListedJob, QueueStats

__all__ = [
    "MOST_LOOKED_AT",
    "MOST_NUMBERS",
    "Look",
    "StateLook",
    "ahead",
    "few_of_each",
    "find",
    "look",
    "survey",
]

# Jobs that are looked at for one page, where they are searched and not only listed.
MOST_LOOKED_AT = 2_000
# Numbers that are tried for one page on a queue that cannot be listed.
MOST_NUMBERS = 2_000
# Ready jobs among which those that go first are counted one by one.
_MOST_COUNTED = 50_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """Jobs in the order in which they would run.

    `all` = there are no others that were asked for. `sampled` = the queue can't be listed: these
    are some of its jobs, the next ones among them.
    """

    jobs: Sequence[ListedJob]
    all: bool
    sampled: bool = False


def look(admin: QueueAdmin, queue: str | None, state: JobState | None, *, limit: int) -> Look:
    """Return up to `limit` jobs of one queue, or of all."""
    if isinstance(admin, Glimpsing):
        jobs, complete = admin.glimpse(queue, state, limit=limit, numbers=MOST_NUMBERS)
        return Look(jobs=jobs, all=complete, sampled=not complete)
    found: list[ListedJob] = []
    for wanted in JobState if state is None else (state,):
        room = limit + 1 - len(found)
        if room <= 0:
            break
        found += admin.list(queue, wanted, limit=room)
    return Look(jobs=found[:limit], all=len(found) <= limit)


def survey(admin: QueueAdmin, queue: str | None, state: JobState | None) -> Look:
    """Return the jobs to search in: of each state its share, however many others there are."""
    if isinstance(admin, Glimpsing):
        return look(admin, queue, state, limit=MOST_LOOKED_AT)
    states = list(JobState) if state is None else [state]
    share = MOST_LOOKED_AT // len(states)
    looks = [look(admin, queue, each, limit=share) for each in states]
    return Look(jobs=[job for each in looks for job in each.jobs], all=all(e.all for e in looks))


@dataclass(frozen=True, slots=True, kw_only=True)
class StateLook:
    """The first jobs of one state."""

    state: JobState
    look: Look


def few_of_each(
    admin: QueueAdmin, queue: str, states: Sequence[JobState], *, limit: int
) -> list[StateLook]:
    """Return the first jobs of a queue by their states; one sample is enough for all of them."""
    if not isinstance(admin, Glimpsing):
        return [
            StateLook(state=each, look=look(admin, queue, each, limit=limit)) for each in states
        ]
    found = look(admin, queue, None, limit=MOST_LOOKED_AT)
    return [
        StateLook(
            state=each,
            look=Look(
                jobs=[job for job in found.jobs if job.state is each][:limit],
                all=found.all,
                sampled=found.sampled,
            ),
        )
        for each in states
    ]


def find(admin: QueueAdmin, id: JobId) -> tuple[ListedJob | None, bool]:
    """Return the job with this id, and whether everybody was asked for it."""
    if isinstance(admin, Glimpsing):
        return admin.spot(id, numbers=MOST_NUMBERS)
    return admin.peek([id])[0], True


def ahead(admin: QueueAdmin, job: ListedJob, stats: QueueStats | None) -> tuple[int, int] | None:
    """Return how many ready jobs go before a ready one: at least, and at most; None = not known."""
    if job.state is not JobState.READY or stats is None:
        return None
    if stats.ready > _MOST_COUNTED or isinstance(admin, Glimpsing):
        return 0, max(stats.ready - 1, 0)
    return admin.ahead(job)
