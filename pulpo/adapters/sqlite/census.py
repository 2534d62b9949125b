"""What is in a queue file, counted and listed as if a worker had just come by.

A delay that has ended, a lease that has ended and a dead worker's jobs are shown as ready before
anybody has written that down. Reads only.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Iterable, Sequence

from pulpo.adapters.sqlite.rows import Moment, State
from pulpo.job import JobId, JobState, ListedJob, QueueStats

__all__ = [
    "SEEN",
    "Seen",
    "ahead",
    "listed",
    "peeked",
    "queues",
    "ready_queues",
    "shown",
    "stats",
]

# A walk from name to name through the index, not over all jobs.
_READY_QUEUES = """
WITH RECURSIVE ready_queues (queue) AS (
    SELECT * FROM (SELECT queue FROM jobs WHERE state = 0 ORDER BY queue LIMIT 1)
    UNION ALL
    SELECT (SELECT j.queue FROM jobs AS j WHERE j.state = 0 AND j.queue > r.queue
            ORDER BY j.queue LIMIT 1)
    FROM ready_queues AS r WHERE r.queue IS NOT NULL
)
SELECT queue FROM ready_queues WHERE queue IS NOT NULL
"""
# Of what waits there is no index by queue: it would cost every delayed put a third more. A DISTINCT
# of its own goes along the index and remembers the names; a UNION would sort a million of them.
_WAITING_QUEUES = """
SELECT DISTINCT queue FROM jobs WHERE moment IS NOT NULL AND state IN (1, 2, 3, 4)
"""
_PAUSED_QUEUES = "SELECT queue FROM pauses"
_COUNT_READY = "SELECT count(*) FROM jobs WHERE state = 0 AND queue = ?"
_COUNT_DUE = """
SELECT count(*), coalesce(sum(moment <= ?), 0) FROM jobs
WHERE state = ? AND moment IS NOT NULL AND queue = ?
"""
_COUNT_HELD = """
SELECT owner, moment <= ?, count(*) FROM jobs
WHERE state = 3 AND moment IS NOT NULL AND queue = ? GROUP BY 1, 2
"""
_COUNT_BURIED = """
SELECT count(*) FROM jobs WHERE state = 4 AND moment IS NOT NULL AND queue = ?
"""
_PAUSE = "SELECT moment FROM pauses WHERE queue = ? AND (moment IS NULL OR moment > ?)"

SEEN = "id, number, queue, state, moment, owner, priority, ttr, crashes, body"
_PEEK = f"SELECT {SEEN} FROM jobs WHERE id = ? ORDER BY state = 3 DESC, number LIMIT 1"
_LIST_READY = f"""
SELECT {SEEN} FROM jobs WHERE state = 0 AND queue = ? ORDER BY priority, number LIMIT ?
"""
_LIST_LATER = f"""
SELECT {SEEN} FROM jobs WHERE state = ?1 AND moment > ?2 AND (?3 IS NULL OR queue = ?3)
ORDER BY moment, number LIMIT ?4
"""
# What is due goes among the ready ones by its priority, so all of it must be compared.
_LIST_DUE = f"""
SELECT {SEEN} FROM jobs WHERE state = ?1 AND moment <= ?2 AND (?3 IS NULL OR queue = ?3)
ORDER BY priority, number LIMIT ?4
"""
# Those that were buried first come first, as the index has them: to compare the priorities of a
# million would take a page longer than it has.
_LIST_BURIED = f"""
SELECT {SEEN} FROM jobs WHERE state = 4 AND moment IS NOT NULL AND (?1 IS NULL OR queue = ?1)
ORDER BY moment, queue, owner, number LIMIT ?2
"""
_AHEAD = """
SELECT count(*) FROM jobs WHERE state = 0 AND queue = ? AND (priority, number) < (?, ?)
"""
_EVER, _ALL = float("inf"), -1
_ORDER = (JobState.READY, JobState.DELAYED, JobState.RESERVED, JobState.BURIED)

Seen = tuple[str, int, str, int, float | None, int, int, float, int, bytes]


def queues(connection: sqlite3.Connection) -> list[str]:
    """Return the names of the queues that hold jobs or are paused, sorted."""
    found = set(ready_queues(connection))
    for statement in (_WAITING_QUEUES, _PAUSED_QUEUES):
        found |= {name for (name,) in connection.execute(statement)}
    return sorted(found)


def ready_queues(connection: sqlite3.Connection) -> list[str]:
    """Return the names of the queues that hold ready jobs, sorted; looks at one job of each."""
    return [name for (name,) in connection.execute(_READY_QUEUES)]


def stats(
    connection: sqlite3.Connection, queue: str, now: Moment, dead: Collection[int]
) -> QueueStats:
    """Count the jobs of one queue."""
    (ready,) = connection.execute(_COUNT_READY, (queue,)).fetchone()
    delayed = reserved = 0
    for state, clock in ((State.DELAYED, now.boot), (State.SCHEDULED, now.wall)):
        count, over = connection.execute(_COUNT_DUE, (clock, state, queue)).fetchone()
        delayed += count - over
        ready += over
    for owner, over, count in connection.execute(_COUNT_HELD, (now.boot, queue)):
        if over or owner in dead:
            ready += count
        else:
            reserved += count
    (buried,) = connection.execute(_COUNT_BURIED, (queue,)).fetchone()
    pause = connection.execute(_PAUSE, (queue, now.boot)).fetchone()
    return QueueStats(
        queue=queue,
        ready=ready,
        delayed=delayed,
        reserved=reserved,
        buried=buried,
        paused=pause is not None,
        pause_left=None if pause is None or pause[0] is None else pause[0] - now.boot,
    )


def peeked(
    connection: sqlite3.Connection, ids: Sequence[JobId], now: Moment, dead: Collection[int]
) -> list[ListedJob | None]:
    """Return for each id the job that has it; of two, one that is being run."""
    found: list[ListedJob | None] = []
    for wanted in ids:
        row = connection.execute(_PEEK, (wanted,)).fetchone()
        found.append(None if row is None else shown(row, now, dead))
    return found


def listed(
    connection: sqlite3.Connection,
    queue: str | None,
    state: JobState | None,
    limit: int,
    now: Moment,
    dead: Collection[int],
) -> list[ListedJob]:
    """Return the first jobs of one queue or all, of one state or all, as they would run.

    Buried ones come in the order in which they were buried.
    """
    jobs: list[ListedJob] = []
    for wanted in _ORDER if state is None else (state,):
        rows = _rows(connection, queue, wanted, limit, now)
        seen = [shown(row, now, dead) for row in rows]
        right = [job for job in seen if job.state is wanted]
        if wanted is not JobState.BURIED:
            right.sort(key=_place)
        jobs += right[: limit - len(jobs)]
    return jobs


def ahead(connection: sqlite3.Connection, job: ListedJob) -> int:
    """Count the ready jobs that go before one; by the index alone."""
    place = (job.queue, job.priority, job.number)
    return int(connection.execute(_AHEAD, place).fetchone()[0])


def _rows(
    connection: sqlite3.Connection, queue: str | None, state: JobState, limit: int, now: Moment
) -> Iterable[Seen]:
    """Return the first rows of a state, and maybe rows of another state among them."""
    clocks = ((State.DELAYED, now.boot), (State.SCHEDULED, now.wall))
    # Reserved jobs are few, and some of them are ready: their lease is over, their owner dead.
    held = (State.RESERVED, _EVER, queue, _ALL)
    if state is JobState.READY:
        for name in [queue] if queue is not None else ready_queues(connection):
            yield from connection.execute(_LIST_READY, (name, limit))
        for stored, clock in clocks:
            yield from connection.execute(_LIST_DUE, (stored, clock, queue, limit))
        yield from connection.execute(_LIST_DUE, held)
    elif state is JobState.DELAYED:
        for stored, clock in clocks:
            yield from connection.execute(_LIST_LATER, (stored, clock, queue, limit))
    elif state is JobState.RESERVED:
        yield from connection.execute(_LIST_DUE, held)
    else:
        yield from connection.execute(_LIST_BURIED, (queue, limit))


def shown(row: Seen, now: Moment, dead: Collection[int]) -> ListedJob:
    """Return a row as an operator sees the job."""
    job_id, number, queue, stored, moment, owner, priority, ttr, crashes, body = row
    left = 0.0 if moment is None else moment - _clock(stored, now)
    state = JobState.READY
    if stored == State.BURIED:
        state = JobState.BURIED
    elif stored == State.RESERVED and left > 0 and owner not in dead:
        state = JobState.RESERVED
    elif stored in (State.DELAYED, State.SCHEDULED) and left > 0:
        state = JobState.DELAYED
    return ListedJob(
        id=job_id,
        number=number,
        queue=queue,
        state=state,
        body=body,
        priority=priority,
        due=left if state is JobState.DELAYED else 0.0,
        ttr=ttr,
        crashes=crashes + (stored == State.RESERVED and state is JobState.READY),
    )


def _clock(stored: int, now: Moment) -> float:
    return now.wall if stored == State.SCHEDULED else now.boot


def _place(job: ListedJob) -> tuple[float, int, int]:
    return job.due, job.priority, job.number
