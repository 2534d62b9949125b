"""Looking at all jobs, at the last ones, or at some from all over, without keeping them in memory.

A walk goes along the indexes, state by state, and begins each page behind the last job of the one
before. Each page is a transaction of its own: none keeps vacuum from what is gone. Reads only.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from pulpo.adapters.postgresql.census import queues
from pulpo.adapters.postgresql.looking import SEEN, Look, State
from pulpo.envelope import UNDECODABLE
from pulpo.job import JobState, ListedJob, Page, Sighting
from pulpo.spread import spread

__all__ = ["Narrow", "newest", "sample", "seen_again", "walk"]

PAGE = 500
# Bytes that were put aside travel in a wrapper, of a type of its own.
_OF_TYPE = f"(%s::text IS NULL OR type IN (%s::text, '{UNDECODABLE}'))"
_READY = f"""
SELECT {SEEN} FROM @.jobs
WHERE {_OF_TYPE} AND state = 0 AND queue = %s AND (priority, number) > (%s::bigint, %s::bigint)
ORDER BY priority, number LIMIT {PAGE}
"""
_LATER = f"""
SELECT {SEEN} FROM @.jobs
WHERE {_OF_TYPE} AND state = %s::smallint AND (%s::text IS NULL OR queue = %s::text)
    AND moment <= %s::float8 AND (moment, number) > (%s::float8, %s::bigint)
ORDER BY moment, number LIMIT {PAGE}
"""
_NEWEST = f"""
SELECT {SEEN} FROM @.jobs WHERE number > (SELECT max(number) FROM @.jobs) - %s::bigint
ORDER BY number DESC
"""
_AGAIN = f"SELECT {SEEN} FROM @.jobs WHERE number = ANY (%s::bigint[])"
_ENDS = "SELECT min(number), max(number) FROM @.jobs"
_WINDOW = f"""
SELECT {SEEN} FROM @.jobs WHERE number > %s::bigint AND number <= %s::bigint
ORDER BY number LIMIT {PAGE}
"""
# A sample keeps its place in each window: jobs that lie close together fill more pages of one.
_MOST_WINDOWS = 4_096

LookNow = Callable[[], Look]


@dataclass(frozen=True, slots=True)
class Narrow:
    """What a walk is narrowed to; None is everything."""

    queue: str | None
    state: JobState | None
    type: str | None


def walk(look: LookNow, narrow: Narrow) -> Iterator[Page]:
    """Yield the jobs a page at a time; `look` begins each page."""
    seen = 0
    for stretch in _stretches(look, narrow):
        for jobs in stretch:
            seen += len(jobs)
            yield Page([job for job in jobs if narrow.state in (None, job.state)], seen)


# Some of what waits is ready by now: a delay is over, a lease is over, an owner is dead.
_SHOWN_AS = {
    State.DELAYED: (JobState.DELAYED, JobState.READY),
    State.RESERVED: (JobState.RESERVED, JobState.READY),
    State.BURIED: (JobState.BURIED,),
}


def _stretches(look: LookNow, narrow: Narrow) -> Iterator[Iterator[list[ListedJob]]]:
    """Yield the parts of a walk: the ready jobs queue by queue, then what waits, state by state."""
    if narrow.state in (None, JobState.READY):
        for name in [narrow.queue] if narrow.queue is not None else queues(look()):
            yield _ready_pages(look, narrow.type, name)
    for stored, shown in _SHOWN_AS.items():
        if narrow.state is None or narrow.state in shown:
            yield _later_pages(look, narrow, stored)


def _ready_pages(look: LookNow, type: str | None, queue: str) -> Iterator[list[ListedJob]]:
    priority, number = -1, -1
    while True:
        now = look()
        rows = now.query(_READY, type, type, queue, str(priority), str(number))
        yield [now.shown(row) for row in rows]
        if len(rows) < PAGE:
            return
        _, number, _, _, _, _, priority, *_ = rows[-1]


def _later_pages(look: LookNow, narrow: Narrow, stored: State) -> Iterator[list[ListedJob]]:
    moment, number = -1.0, -1
    while True:
        now = look()
        # Behind the first delay that is not over, none is.
        until_due = narrow.state is JobState.READY and stored is State.DELAYED
        most = now.now if until_due else float("inf")
        place = (most, moment, str(number))
        queue = (narrow.queue, narrow.queue)
        rows = now.query(_LATER, narrow.type, narrow.type, int(stored), *queue, *place)
        yield [now.shown(row) for row in rows]
        if len(rows) < PAGE:
            return
        _, number, _, _, moment, *_ = rows[-1]


def newest(look: Look, limit: int) -> list[ListedJob]:
    """Return the jobs with the highest numbers, out of so many numbers."""
    return look.jobs(_NEWEST, limit)


def seen_again(look: Look, jobs: Sequence[Sighting]) -> list[ListedJob | None]:
    """Return each job as it is now, None where it is gone."""
    found = {job.number: job for job in look.jobs(_AGAIN, [str(job.number) for job in jobs])}
    again = [found.get(job.number) for job in jobs]
    return [
        now if now is not None and now.id == then.id else None
        for now, then in zip(again, jobs, strict=True)
    ]


def sample(look: LookNow) -> Iterator[list[ListedJob]]:
    """Yield every job in pages, at some from all over first: whoever stops early has a sample."""
    windows = _windows(look())
    while windows:
        unfinished = []
        for after, until in windows:
            page = look().jobs(_WINDOW, str(after), str(until))
            yield page
            if len(page) == PAGE:
                unfinished.append((page[-1].number, until))
        windows = unfinished


def _windows(look: Look) -> list[tuple[int, int]]:
    """Return ranges of numbers that hold all jobs: after, and up to; the first ones far apart."""
    ((lowest, highest),) = look.query(_ENDS)
    if lowest is None:
        return []
    count = highest - lowest + 1
    size = max(PAGE, -(-count // _MOST_WINDOWS))
    starts = (lowest - 1 + place * size for place in spread(-(-count // size)))
    return [(start, min(start + size, highest)) for start in starts]
