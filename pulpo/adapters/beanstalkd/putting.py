"""Putting jobs: every job in its own queue, every answer in its own place.

Used by producers, and by the worker for the rewritten copies of failed jobs. Knows nothing of
reserved jobs.
"""

from __future__ import annotations

from collections.abc import Sequence

from pulpo.adapters.beanstalkd import commands
from pulpo.adapters.beanstalkd.link import Awaited, Kind, Link
from pulpo.clock import Clock
from pulpo.errors import (
    JobTooBigError,
    ProtocolError,
    PublishUncertainError,
    QueueError,
    QueueUnavailableError,
    UnsupportedError,
)
from pulpo.job import JobId, NewJob

__all__ = ["BURY_DELAY", "put_fitting", "put_jobs", "refuse_guards", "too_big"]

# A server stops reading while it cannot write: what is under way at once stays below what both
# socket buffers take, or two blocked ends would wait for each other.
_MOST_COMMANDS, _MOST_BYTES = 1_000, 1_000_000
_PUT, _NAME = Awaited(Kind.PUT), Awaited(Kind.NAME)
_ONE_PUT = (_PUT,)
# The copy of a job that is about to be buried waits so long, in case we die before it is.
BURY_DELAY = 600


class _OutOfTurnError(ProtocolError):
    """A number that another put was given already: whose the others are is as open."""


def put_jobs(
    link: Link,
    jobs: Sequence[NewJob],
    clock: Clock,
    *,
    delays: Sequence[int] | None = None,
    patience: float,
) -> list[int | QueueError]:
    """Put jobs on a link; for each its number, or why it was not accepted.

    After a cut the rest are `PublishUncertainError` where their bytes were sent, and
    `QueueUnavailableError` where they were not. Raises the latter when nothing at all was sent.
    """
    if len(jobs) == 1 and delays is None and jobs[0].queue == link.used:
        return [_put_alone(link, jobs[0], clock, patience)]
    now = clock.wall()
    results: list[int | QueueError] = []
    while len(results) < len(jobs):
        start = len(results)
        batch, orders, awaited = _next_batch(link, jobs, start, delays, now)
        try:
            link.send(orders, awaited)
        except QueueUnavailableError as error:
            if start == 0:
                raise
            return results + [_unsent(error) for _ in jobs[start:]]
        except ProtocolError as error:
            uncertain = [_uncertain(job, error) for job in batch]
            return results + uncertain + [_unsent(error) for _ in jobs[start + len(batch) :]]
        results += _answers(link, batch, clock, patience)
        if link.broken and len(results) < len(jobs):
            gone = QueueUnavailableError("the connection to beanstalkd was lost before this job")
            return results + [_unsent(gone) for _ in jobs[len(results) :]]
    return results


def put_fitting(
    link: Link, jobs: Sequence[NewJob], clock: Clock, *, patience: float
) -> list[JobId | QueueError]:
    """Put jobs on a link; for each its id, or why it was not accepted.

    What the server would read and throw away is not sent.
    """
    largest = link.max_body
    if len(jobs) == 1 and len(jobs[0].body) <= largest:
        number = put_jobs(link, jobs, clock, patience=patience)[0]
        return [number if isinstance(number, QueueError) else jobs[0].id]
    fitting = [job for job in jobs if len(job.body) <= largest]
    answers = put_jobs(link, fitting, clock, patience=patience)
    told = [
        answer if isinstance(answer, QueueError) else job.id
        for job, answer in zip(fitting, answers, strict=True)
    ]
    if len(told) == len(jobs):
        return told
    rest = iter(told)
    return [too_big(job, largest) or next(rest) for job in jobs]


def _put_alone(link: Link, job: NewJob, clock: Clock, patience: float) -> int | QueueError:
    """Put one job into the queue in use, as most publishers do all the time."""
    later = job.delay or job.at is not None
    delay = commands.whole_delay(job, clock.wall()) if later else 0
    try:
        link.send((commands.put(job, delay=delay),), _ONE_PUT)
        line = link.receive_line(patience)
        if line is not None:
            return _answer(link, line, job)
    except ProtocolError as error:
        link.close()
        link.awaited.clear()
        return _uncertain(job, error)
    return _answers(link, (job,), clock, patience)[0]


def _next_batch(
    link: Link, jobs: Sequence[NewJob], start: int, delays: Sequence[int] | None, now: float
) -> tuple[list[NewJob], list[bytes], list[Awaited]]:
    batch: list[NewJob] = []
    orders: list[bytes] = []
    awaited: list[Awaited] = []
    size, used = 0, link.used
    for index in range(start, len(jobs)):
        job = jobs[index]
        if batch and (len(orders) >= _MOST_COMMANDS or size + len(job.body) > _MOST_BYTES):
            break
        if job.queue != used:
            orders.append(commands.use(job.queue))
            awaited.append(_NAME)
            used = job.queue
        delay = commands.whole_delay(job, now) if delays is None else delays[index]
        orders.append(commands.put(job, delay=delay))
        awaited.append(_PUT)
        batch.append(job)
        size += len(job.body)
    link.used = used
    return batch, orders, awaited


def _answers(
    link: Link, batch: Sequence[NewJob], clock: Clock, patience: float
) -> list[int | QueueError]:
    results: list[int | QueueError] = []
    deadline = clock.monotonic() + patience
    try:
        while link.awaited:
            left = deadline - clock.monotonic()
            for reply in link.receive(left):
                if reply.awaited.kind is Kind.PUT:
                    results.append(_answer(link, reply.line, batch[len(results)]))
                elif reply.awaited.kind is Kind.NAME and not reply.line.startswith(b"USING "):
                    raise ProtocolError(f"use was answered {reply.line[:64]!r}")
            if link.awaited and left <= 0:
                raise ProtocolError(f"beanstalkd did not answer within {patience:g}s")
    except ProtocolError as error:
        link.close()
        link.awaited.clear()
        if isinstance(error, _OutOfTurnError):
            results.clear()
        results += [_uncertain(job, error) for job in batch[len(results) :]]
    return results


def _answer(link: Link, line: bytes, job: NewJob) -> int | QueueError:
    digits = line[9:]
    if digits.isdigit() and line.startswith(b"INSERTED ") and len(digits) < 20:
        number = int(digits)
        if number <= link.inserted:
            raise _OutOfTurnError(f"put was answered {line!r} after {link.inserted}")
        link.inserted = number
        return number
    refused = commands.refusal(line, job, link.max_body)
    if refused is None:
        raise ProtocolError(f"put was answered {line[:64]!r}")
    return refused


def too_big(job: NewJob, limit: int) -> JobTooBigError | None:
    """Return the refusal of a job that the server would read and throw away."""
    if len(job.body) <= limit:
        return None
    return JobTooBigError(f"job {job.id!r} is {len(job.body)} bytes, the queue takes {limit}")


def refuse_guards(jobs: Sequence[NewJob]) -> None:
    """Raise `UnsupportedError` for a job with guards, where no place is named to keep them."""
    for job in jobs:
        if job.guards:
            raise UnsupportedError(
                "beanstalkd itself keeps no guards of jobs: name a place for them that all its "
                "producers and workers reach, ?side=sqlite:////var/lib/shop/side.db: "
                f"{job.type!r}"
            )


def _uncertain(job: NewJob, error: Exception) -> PublishUncertainError:
    uncertain = PublishUncertainError(
        f"job {job.id!r} was sent and no answer came ({error}); publish the same message again",
        id=job.id,
    )
    uncertain.__cause__ = error
    return uncertain


def _unsent(error: Exception) -> QueueUnavailableError:
    return QueueUnavailableError(f"not sent: {error}")
