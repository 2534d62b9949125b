"""Testing what publishes and runs jobs: a queue, a clock and a worker that end with the test.

    def test_signup(pulpo_queue, pulpo_clock):
        signup("a@example.com")

        assert_published(welcome, args=(7,), due_in="10m")
        pulpo_clock.advance("10m")
        assert drain().succeeded == 1

Under pytest the fixtures come with the package; elsewhere, `with trial() as queue: ...`. The
functions here are about the queue of the test that is running.
"""

from __future__ import annotations

from typing import Any, ParamSpec

from pulpo.app import Pulpo
from pulpo.duration import Duration
from pulpo.errors import UsageError, WrongTypeError
from pulpo.function import JobFunction
from pulpo.message import Message
from pulpo.outcome import Outcome
from pulpo.testing.clock import TrialClock
from pulpo.testing.published import Arguments, PublishedJob
from pulpo.testing.queue import TrialQueue
from pulpo.testing.runs import JobRun, Runs
from pulpo.testing.trials import current, trial, trial_of
from pulpo.testing.worker import ByTheClock, TrialWorker

__all__ = [
    "ByTheClock",
    "JobRun",
    "PublishedJob",
    "Runs",
    "TrialClock",
    "TrialQueue",
    "TrialWorker",
    "adrain",
    "aperform",
    "aperform_attempt",
    "assert_published",
    "drain",
    "perform",
    "perform_attempt",
    "published",
    "refute_published",
    "trial",
]

P = ParamSpec("P")


def published(
    type: str | JobFunction[..., Any] | None = None,
    *,
    args: Arguments | None = None,
    queue: str | None = None,
    due_in: Duration | tuple[Duration, Duration] | None = None,
) -> list[PublishedJob]:
    """Return what was published in this test; see `TrialQueue.published`."""
    return current().published(type, args=args, queue=queue, due_in=due_in)


def assert_published(
    type: str | JobFunction[..., Any] | None = None,
    *,
    args: Arguments | None = None,
    queue: str | None = None,
    due_in: Duration | tuple[Duration, Duration] | None = None,
    times: int | None = None,
) -> PublishedJob:
    """Return what was published so, or fail; see `TrialQueue.assert_published`."""
    __tracebackhide__ = True
    return current().assert_published(type, args=args, queue=queue, due_in=due_in, times=times)


def refute_published(
    type: str | JobFunction[..., Any] | None = None,
    *,
    args: Arguments | None = None,
    queue: str | None = None,
    due_in: Duration | tuple[Duration, Duration] | None = None,
) -> None:
    """Fail if something was published so; see `TrialQueue.refute_published`."""
    __tracebackhide__ = True
    current().refute_published(type, args=args, queue=queue, due_in=due_in)


def drain(*, at_most: int | None = None) -> Runs:
    """Run what is due in this test's queue, and what comes of it; see `TrialWorker.run`."""
    return current().worker.run(at_most=at_most)


async def adrain(*, at_most: int | None = None) -> Runs:
    """Like `drain`, for async tests; see `TrialWorker.arun`."""
    return await current().worker.arun(at_most=at_most)


def perform(job: JobFunction[P, Any] | Message, /, *args: P.args, **kwargs: P.kwargs) -> Outcome:
    """Run one job once, and return the outcome that it had.

    Arguments travel through the wire format, errors go by the job's rules: an exception comes back
    as `Retry` with its delay in seconds, or as `Bury` with its reason. What waits in the queue
    stays as it is; where there is no test's queue, what the handler publishes goes to one that ends
    with this call. A message stands for a job of `pulpo.register`. Raises `TypeError` for wrong
    arguments, `UsageError` where the handler was not called.
    """
    return perform_attempt(1, job, *args, **kwargs)


def perform_attempt(
    attempt: int, job: JobFunction[P, Any] | Message, /, *args: P.args, **kwargs: P.kwargs
) -> Outcome:
    """Like `perform`, for a job that has failed `attempt - 1` times before."""
    message = _message(job, args, kwargs)
    with trial_of(_app(job)) as queue:
        return queue.worker.perform(message, attempt=attempt)


async def aperform(
    job: JobFunction[P, Any] | Message, /, *args: P.args, **kwargs: P.kwargs
) -> Outcome:
    """Like `perform`, for async tests; an `async def` handler runs on the test's event loop."""
    return await aperform_attempt(1, job, *args, **kwargs)


async def aperform_attempt(
    attempt: int, job: JobFunction[P, Any] | Message, /, *args: P.args, **kwargs: P.kwargs
) -> Outcome:
    """Like `perform_attempt`, for async tests."""
    message = _message(job, args, kwargs)
    with trial_of(_app(job)) as queue:
        return await queue.worker.aperform(message, attempt=attempt)


def _app(job: object) -> Pulpo | None:
    publisher = job.publisher if isinstance(job, JobFunction) else None
    return publisher if isinstance(publisher, Pulpo) else None


def _message(job: object, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Message:
    if isinstance(job, JobFunction):
        return job.message(*args, **kwargs)
    if not isinstance(job, Message):
        raise WrongTypeError(f"perform takes a job function or a message: {job!r}")
    if args or kwargs:
        raise UsageError("a message has its arguments with it, as its body")
    return job
