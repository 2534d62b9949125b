"""Looking at all jobs of a queue file, or at the last ones, without keeping them in memory.

A walk goes along the two indexes, state by state, and begins each page behind the last job of the
one before: so it costs one look at each job, however many there are. Reads only.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Protocol, TypeVar

from pulpo.adapters.sqlite.census import SEEN, Seen, ready_queues, shown
from pulpo.adapters.sqlite.rows import Moment, State
from pulpo.envelope import UNDECODABLE
from pulpo.job import JobState, ListedJob, Page, Sighting

__all__ = ["PAGE", "Look", "Narrow", "newest", "seen_again", "walk"]

T = TypeVar("T")


class Look(Protocol):
    """Runs a query in a transaction of its own, and gives it the time and the dead owners."""

    def __call__(self, work: Callable[[sqlite3.Connection, Moment, Collection[int]], T]) -> T:
        """Return what `work` returns."""
        ...


# Each page is a transaction: a long walk keeps SQLite from nothing.
PAGE = 250
# Bytes that were put aside travel in a wrapper, of a type of its own.
_OF_TYPE = f"(?1 IS NULL OR type IN (?1, '{UNDECODABLE}'))"
# SQLite compares no row number in a row of values by its index. So each page is taken in two steps:
# the rest of the jobs that stand at the same place as the last one, then those behind. Parameters:
# type, state, queue, how many, and the place, whose first part is the number.
_ONE_STEP = f"SELECT {SEEN} FROM jobs WHERE {_OF_TYPE}"
_READY_STEPS = (
    f"""{_ONE_STEP} AND state = 0 AND queue = ?3 AND priority = ?6 AND number > ?5
    ORDER BY number LIMIT ?4""",
    f"""{_ONE_STEP} AND state = 0 AND queue = ?3 AND priority > ?6
    ORDER BY priority, number LIMIT ?4""",
)
_LATER = "state = ?2 AND moment IS NOT NULL AND (?3 IS NULL OR queue = ?3)"
_LATER_STEPS = (
    f"""{_ONE_STEP} AND {_LATER} AND moment = ?6 AND queue = ?7 AND owner = ?8 AND number > ?5
    ORDER BY number LIMIT ?4""",
    f"""{_ONE_STEP} AND {_LATER} AND (moment, queue, owner) > (?6, ?7, ?8)
    ORDER BY moment, queue, owner, number LIMIT ?4""",
)
_NEWEST = f"""
SELECT {SEEN} FROM jobs WHERE number > (SELECT max(number) FROM jobs) - ? ORDER BY number DESC
"""
_AGAIN = f"SELECT {SEEN} FROM jobs WHERE number = ? AND id = ?"
_DELAYS = (State.DELAYED, State.SCHEDULED)


@dataclass(frozen=True, slots=True)
class Narrow:
    """What a walk is narrowed to; None is everything."""

    queue: str | None
    state: JobState | None
    type: str | None


def walk(look: Look, narrow: Narrow) -> Iterator[Page]:
    """Yield the jobs a page at a time; `look` makes each page in a transaction of its own."""
    seen = 0
    for stretch in _stretches(look, narrow):
        for jobs in stretch:
            seen += len(jobs)
            yield Page([job for job in jobs if narrow.state in (None, job.state)], seen)


def _stretches(look: Look, narrow: Narrow) -> Iterator[Iterator[list[ListedJob]]]:
    """Yield the parts of a walk: the ready jobs queue by queue, then what waits, state by state."""
    state = narrow.state
    if state in (None, JobState.READY):
        names = [narrow.queue]
        if narrow.queue is None:
            names = list(look(lambda connection, _, __: ready_queues(connection)))
        for name in names:
            parameters = (narrow.type, State.READY, name)
            yield _pages(look, _READY_STEPS, parameters, (-1, -1), _ready_place)
    for stored in (State.DELAYED, State.SCHEDULED, State.RESERVED, State.BURIED):
        if state is None or state in _SHOWN_AS[stored]:
            # Behind the first delay that is not over, none is.
            until_due = state is JobState.READY and stored in _DELAYS
            parameters = (narrow.type, stored, narrow.queue)
            pages = _pages(look, _LATER_STEPS, parameters, (-1, -1.0, "", -1), _later_place)
            yield _while_due(pages) if until_due else pages


# Some of what waits is ready by now: a delay is over, a lease is over, an owner is dead.
_SHOWN_AS = {
    State.DELAYED: (JobState.DELAYED, JobState.READY),
    State.SCHEDULED: (JobState.DELAYED, JobState.READY),
    State.RESERVED: (JobState.RESERVED, JobState.READY),
    State.BURIED: (JobState.BURIED,),
}


def _pages(
    look: Look,
    steps: tuple[str, str],
    parameters: tuple[object, ...],
    place: tuple[object, ...],
    place_of: Callable[[Seen], tuple[object, ...]],
) -> Iterator[list[ListedJob]]:
    while True:
        rows, jobs = look(partial(_page, steps=steps, parameters=parameters, place=place))
        yield jobs
        if len(rows) < PAGE:
            return
        place = place_of(rows[-1])


def _page(
    connection: sqlite3.Connection,
    now: Moment,
    dead: Collection[int],
    *,
    steps: tuple[str, str],
    parameters: tuple[object, ...],
    place: tuple[object, ...],
) -> tuple[list[Seen], list[ListedJob]]:
    rows: list[Seen] = []
    for step in steps:
        limit = PAGE - len(rows)
        if limit:
            rows += connection.execute(step, (*parameters, limit, *place))
    return rows, [shown(row, now, dead) for row in rows]


def _while_due(pages: Iterator[list[ListedJob]]) -> Iterator[list[ListedJob]]:
    for jobs in pages:
        yield jobs
        if jobs and jobs[-1].state is JobState.DELAYED:
            return


def _ready_place(row: Seen) -> tuple[object, ...]:
    _, number, _, _, _, _, priority, *_ = row
    return number, priority


def _later_place(row: Seen) -> tuple[object, ...]:
    _, number, queue, _, moment, owner, *_ = row
    return number, moment, queue, owner


def newest(
    connection: sqlite3.Connection, now: Moment, dead: Collection[int], *, limit: int
) -> list[ListedJob]:
    """Return the jobs with the highest numbers, out of so many numbers."""
    return [shown(row, now, dead) for row in connection.execute(_NEWEST, (limit,))]


def seen_again(
    connection: sqlite3.Connection,
    now: Moment,
    dead: Collection[int],
    *,
    jobs: Sequence[Sighting],
) -> list[ListedJob | None]:
    """Return each job as it is now, None where it is gone."""
    found: list[ListedJob | None] = []
    for job in jobs:
        row = connection.execute(_AGAIN, (job.number, job.id)).fetchone()
        found.append(None if row is None else shown(row, now, dead))
    return found
