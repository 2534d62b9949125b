"""Jobs as parameters and rows as jobs. Pure: no connection, no clock."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from pulpo.adapters.postgresql.link import Rows
from pulpo.errors import JobTooBigError
from pulpo.identity import MAX_PRIORITY
from pulpo.job import Job, NewJob, check_new_job

# One value for each column, an array of numbers as text.
Columns = tuple[list[str], list[str], list[str], str, str, str, str, str, list[bytes]]

__all__ = [
    "NO_JOB",
    "array",
    "check_jobs",
    "columns",
    "jobs_of",
    "scalars",
    "texts",
    "too_big",
    "whole",
]


_ID = re.compile(r"[0-9a-f-]+", re.ASCII)

#: What stands in the columns where there is no job to be written.
NO_JOB = NewJob(id="-", type="-", queue="-", body=b"")


def check_jobs(jobs: Iterable[NewJob]) -> None:
    """Raise for the first job with an impossible name or number; nothing was put then."""
    queues: set[str] = set()
    for job in jobs:
        if job.queue not in queues or not _is_usual(job):
            check_new_job(job)
            queues.add(job.queue)


def _is_usual(job: NewJob) -> bool:
    # What passes here passes `check_new_job`, whose care costs a batch as much as its COPY.
    return (
        type(job.body) is bytes
        and job.delay == 0
        and job.at is None
        and not job.guards
        and type(job.ttr) is float
        and 1 <= job.ttr <= 86_400
        and type(job.priority) is int
        and 0 <= job.priority <= MAX_PRIORITY
        and len(job.id) == 36
        and _ID.fullmatch(job.id) is not None
    )


def too_big(job: NewJob, max_body: int) -> JobTooBigError | None:
    """Return the error for a body that is larger than this queue takes, else None."""
    if len(job.body) <= max_body:
        return None
    return JobTooBigError(
        f"the job has {len(job.body)} bytes, the queue takes {max_body} (URL option "
        f"max_job_size): {job.id!r}"
    )


def array(numbers: Iterable[float | None]) -> str:
    """Return numbers as an array in PostgreSQL's text.

    As text it has no type of its own: psycopg would pick one by the size of the largest number, and
    each would be a statement to prepare.
    """
    return "{" + ",".join("NULL" if n is None else str(n) for n in numbers) + "}"


def whole(numbers: Sequence[int]) -> str:
    """Return whole numbers as an array in PostgreSQL's text: faster than `array`."""
    return f"{{{str(numbers)[1:-1]}}}"


def columns(jobs: Sequence[NewJob]) -> Columns:
    """Return jobs as one array for each column: id, type, queue, priority, delay, at, ttr, ...."""
    return (
        [job.id for job in jobs],
        [job.type for job in jobs],
        [job.queue for job in jobs],
        array(int(job.priority) for job in jobs),
        array(float(job.delay) for job in jobs),
        array(_float(job.at) for job in jobs),
        array(float(job.ttr) for job in jobs),
        array(_float(job.expires) for job in jobs),
        [job.body for job in jobs],
    )


def scalars(job: NewJob) -> tuple[object, ...]:
    """Return one job as parameters, one for each column."""
    return (
        job.id,
        job.type,
        job.queue,
        str(job.priority),
        float(job.delay),
        _float(job.at),
        float(job.ttr),
        _float(job.expires),
        job.body,
    )


def texts(job: NewJob) -> tuple[str | bytes | None, ...]:
    """Return a job that is ready at once as the parameters of `put_ready`."""
    expires = None if job.expires is None else str(float(job.expires))
    ttr = str(float(job.ttr))
    return (job.id, job.type, job.queue, str(int(job.priority)), ttr, expires, job.body)


def _float(value: float | None) -> float | None:
    return None if value is None else float(value)


def jobs_of(rows: Rows, fence: int) -> list[Job]:
    """Return reserved jobs in their order; the token is the reservation's.

    Those that were ours already, and were only renewed, are left out.
    """
    rows.sort(key=_place)
    return [
        Job(
            number=number,
            body=body,
            id=job_id,
            queue=queue,
            priority=priority,
            ttr=ttr,
            crashes=crashes,
            token=fence,
        )
        for number, job_id, queue, priority, ttr, crashes, body, mine, _, _ in rows
        if not mine
    ]


def _place(row: tuple[int, str, str, int]) -> tuple[int, int]:
    return row[3], row[0]
