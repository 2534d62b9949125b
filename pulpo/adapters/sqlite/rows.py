"""Jobs as rows: the check of what is put, when it is due, and what is read back.

Pure: no file, no clock of its own; times come in as a `Moment`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from enum import IntEnum
from typing import NamedTuple

from pulpo.clock import Clock
from pulpo.errors import JobTooBigError
from pulpo.identity import MAX_PRIORITY
from pulpo.job import Job, NewJob, check_new_job

__all__ = [
    "Candidate",
    "Due",
    "Moment",
    "Row",
    "State",
    "check_jobs",
    "due",
    "jobs_of",
    "row",
    "too_big",
]

_ID = re.compile(r"[0-9a-f-]+", re.ASCII)

# A ready job: number, queue, priority, ttr, crashes, body, and who has held it too long.
Candidate = tuple[int, str, int, float, int, bytes, int, str]
Row = tuple[str, str, str, int, int, float | None, float | None, float, float | None, bytes]


class State(IntEnum):
    """The states in the file; two kinds of delay, since they run on two clocks."""

    READY = 0
    DELAYED = 1
    SCHEDULED = 2
    RESERVED = 3
    BURIED = 4


class Moment(NamedTuple):
    """Now, on both clocks, in seconds."""

    wall: float
    boot: float

    @classmethod
    def now(cls, clock: Clock) -> Moment:
        """Ask a clock once, so that all rows of one batch agree."""
        return cls(clock.wall(), clock.monotonic())


class Due(NamedTuple):
    """The columns that say when a job that is not reserved may run."""

    state: int
    moment: float | None
    due_wall: float | None


_AT_ONCE = Due(State.READY, None, None)


def due(job: NewJob, now: Moment) -> Due:
    """Say when a job may run: after its delay, at its date, the later of the two."""
    if not job.delay and job.at is None:
        return _AT_ONCE
    wall = now.wall + job.delay
    if job.at is not None and job.at > wall:
        return Due(State.SCHEDULED, job.at, None)
    # A delay is a duration: setting the wall clock must not shorten it. The wall time beside it
    # only counts after the machine was started anew.
    return Due(State.DELAYED, now.boot + job.delay, wall) if job.delay else _AT_ONCE


def row(job: NewJob, when: Due, body: bytes | None = None) -> Row:
    """Return the parameters of INSERT; `body` is another one than the job's own."""
    return (
        job.id,
        job.type,
        job.queue,
        job.priority,
        when.state,
        when.moment,
        when.due_wall,
        job.ttr,
        job.expires,
        job.body if body is None else body,
    )


def check_jobs(jobs: Iterable[NewJob]) -> None:
    """Raise for the first job with an impossible name or number; nothing was put then."""
    queues: set[str] = set()
    for job in jobs:
        if job.queue not in queues or not _is_usual(job):
            check_new_job(job)
            queues.add(job.queue)


def _is_usual(job: NewJob) -> bool:
    # What passes here passes `check_new_job`, whose care costs a batch a fifth of its time.
    return (
        type(job.body) is bytes
        and job.delay == 0
        and type(job.ttr) is float
        and 1 <= job.ttr <= 86_400
        and job.at is None
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


def jobs_of(rows: Sequence[Candidate], fence: int) -> list[Job]:
    """Return reserved jobs; the token is the fence that the reservation has given them."""
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
        for number, queue, priority, ttr, crashes, body, _, job_id in rows
    ]
