"""Jobs as rows: the check of what is put, when it is due, and what is read back.

Pure: no file, no clock of its own; times come in as a `Moment`.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import IntEnum
from typing import NamedTuple

from pulpo.clock import Clock
from pulpo.errors import JobTooBigError
from pulpo.job import Job, NewJob, reserved

__all__ = [
    "Candidate",
    "Due",
    "Moment",
    "ReadyRow",
    "Row",
    "State",
    "due",
    "jobs_of",
    "ready_rows",
    "row",
    "too_big",
]

# A ready job: number, queue, priority, ttr, crashes, body, and who has held it too long.
Candidate = tuple[int, str, int, float, int, bytes, int, str]
Row = tuple[str, str, str, int, int, float | None, float | None, float, float | None, bytes]

ReadyRow = tuple[str, str, str, int, float, bytearray]


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
    """The columns that say when a job that is not reserved may run.

    `state` is a plain number: for a member of an enum `sqlite3` looks for an adapter each time,
    which costs more than the rest of the row.
    """

    state: int
    moment: float | None
    due_wall: float | None


_AT_ONCE = Due(State.READY.value, None, None)


def due(job: NewJob, now: Moment) -> Due:
    """Say when a job may run: after its delay, at its date, the later of the two."""
    if not job.delay and job.at is None:
        return _AT_ONCE
    wall = now.wall + job.delay
    if job.at is not None and job.at > wall:
        return Due(State.SCHEDULED.value, job.at, None)
    # A delay is a duration: setting the wall clock must not shorten it. The wall time beside it
    # only counts after the machine was started anew.
    return Due(State.DELAYED.value, now.boot + job.delay, wall) if job.delay else _AT_ONCE


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


def ready_rows(jobs: Sequence[NewJob]) -> list[ReadyRow] | None:
    """Return the parameters of INSERT_READY; None where one is not ready at once, or expires."""
    rows: list[ReadyRow] = []
    for job in jobs:
        if job.delay or job.at is not None or job.expires is not None or job.guards:
            return None
        # Not bytes, nor None: for both `sqlite3` looks for an adapter each time.
        rows.append((job.id, job.type, job.queue, job.priority, job.ttr, bytearray(job.body)))
    return rows


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
        reserved(number, body, job_id, queue, priority, ttr, crashes, fence)
        for number, queue, priority, ttr, crashes, body, _, job_id in rows
    ]
