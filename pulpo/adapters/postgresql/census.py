"""What is in a queue, counted and listed as if a worker had just come by. Reads only."""

from __future__ import annotations

from collections.abc import Sequence

from pulpo.adapters.postgresql.looking import SEEN, Look, State
from pulpo.job import JobId, JobState, ListedJob, QueueStats

__all__ = ["ahead", "listed", "peeked", "queues", "stats"]

# A walk from name to name through the index, not over all jobs.
_QUEUES = """
WITH RECURSIVE ready (queue) AS (
    (SELECT queue FROM @.jobs WHERE state = 0 ORDER BY queue LIMIT 1)
    UNION ALL
    SELECT (SELECT j.queue FROM @.jobs AS j WHERE j.state = 0 AND j.queue > r.queue
            ORDER BY j.queue LIMIT 1)
    FROM ready AS r WHERE r.queue IS NOT NULL
)
SELECT queue FROM ready WHERE queue IS NOT NULL
UNION SELECT queue FROM @.jobs WHERE state <> 0
UNION SELECT queue FROM @.pauses
"""
_COUNT_READY = "SELECT count(*) FROM @.jobs WHERE state = 0 AND queue = %s"
_COUNT_LATER = """
SELECT state, moment <= %s::float8, owner = ANY (%s::integer[]), count(*) FROM @.jobs
WHERE state <> 0 AND queue = %s GROUP BY 1, 2, 3
"""
_PAUSE = "SELECT until FROM @.pauses WHERE queue = %s AND (until IS NULL OR until > %s::float8)"
_PEEK = f"SELECT {SEEN} FROM @.jobs WHERE id = ANY (%s::text[])"
_LIST_READY = f"""
SELECT {SEEN} FROM @.jobs WHERE state = 0 AND queue = %s ORDER BY priority, number LIMIT %s::bigint
"""
_OF_QUEUE = "(%s::text IS NULL OR queue = %s::text)"
_LIST_DELAYED = f"""
SELECT {SEEN} FROM @.jobs WHERE state = 1 AND moment > %s::float8 AND {_OF_QUEUE}
ORDER BY moment, number LIMIT %s::bigint
"""
# What is due goes among the ready ones by its priority, so all of it must be compared.
_LIST_DUE = f"""
SELECT {SEEN} FROM @.jobs WHERE state = 1 AND moment <= %s::float8 AND {_OF_QUEUE}
ORDER BY priority, number LIMIT %s::bigint
"""
_LIST_HELD = f"""
SELECT {SEEN} FROM @.jobs WHERE state = 3 AND {_OF_QUEUE} ORDER BY priority, number
"""
_LIST_BURIED = f"""
SELECT {SEEN} FROM @.jobs WHERE state = 4 AND {_OF_QUEUE}
ORDER BY priority, number LIMIT %s::bigint
"""
_AHEAD = """
SELECT count(*) FROM @.jobs
WHERE state = 0 AND queue = %s AND (priority, number) < (%s::bigint, %s::bigint)
"""
_ORDER = (JobState.READY, JobState.DELAYED, JobState.RESERVED, JobState.BURIED)


def queues(look: Look) -> list[str]:
    """Return the names of the queues that hold jobs or are paused, sorted."""
    return sorted(name for (name,) in look.query(_QUEUES))


def stats(look: Look, queue: str) -> QueueStats:
    """Count the jobs of one queue."""
    ((ready,),) = look.query(_COUNT_READY, queue)
    delayed = reserved = buried = 0
    for state, over, dead, count in look.query(_COUNT_LATER, look.now, list(look.dead), queue):
        if state == State.BURIED:
            buried += count
        elif over or (state == State.RESERVED and dead):
            ready += count
        elif state == State.RESERVED:
            reserved += count
        else:
            delayed += count
    pause = look.query(_PAUSE, queue, look.now)
    return QueueStats(
        queue=queue,
        ready=ready,
        delayed=delayed,
        reserved=reserved,
        buried=buried,
        paused=bool(pause),
        pause_left=None if not pause or pause[0][0] is None else pause[0][0] - look.now,
    )


def peeked(look: Look, ids: Sequence[JobId]) -> list[ListedJob | None]:
    """Return for each id the job that has it."""
    found = {job.id: job for job in look.jobs(_PEEK, list(ids))}
    return [found.get(key) for key in ids]


def listed(look: Look, queue: str | None, state: JobState | None, limit: int) -> list[ListedJob]:
    """Return the first jobs of one queue or all, of one state or all, as they would run."""
    jobs: list[ListedJob] = []
    for wanted in _ORDER if state is None else (state,):
        right = [job for job in _rows(look, queue, wanted, limit) if job.state is wanted]
        jobs += sorted(right, key=_place)[: limit - len(jobs)]
    return jobs


def ahead(look: Look, job: ListedJob) -> int:
    """Count the ready jobs that go before one; by the index alone."""
    return int(look.query(_AHEAD, job.queue, str(job.priority), str(job.number))[0][0])


def _rows(look: Look, queue: str | None, state: JobState, limit: int) -> list[ListedJob]:
    """Return the first rows of a state, and maybe rows of another state among them."""
    if state is JobState.DELAYED:
        return look.jobs(_LIST_DELAYED, look.now, queue, queue, limit)
    if state is JobState.BURIED:
        return look.jobs(_LIST_BURIED, queue, queue, limit)
    # Reserved jobs are few, and some of them are ready: their lease is over, their owner dead.
    jobs = look.jobs(_LIST_HELD, queue, queue)
    if state is JobState.READY:
        for name in [queue] if queue is not None else queues(look):
            jobs += look.jobs(_LIST_READY, name, limit)
        jobs += look.jobs(_LIST_DUE, look.now, queue, queue, limit)
    return jobs


def _place(job: ListedJob) -> tuple[float, int, int]:
    return job.due, job.priority, job.number
