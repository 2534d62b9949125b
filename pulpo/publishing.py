"""From a message to an accepted job: what is written on the wire, and what is answered.

Everything about a message is checked before the first one of a batch is put. This file opens no
queue and starts no thread: `pulpo.app` does.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Protocol

from pulpo.codec import Codec
from pulpo.duration import seconds
from pulpo.envelope import DEFAULT_QUEUE, DEFAULT_TTR
from pulpo.errors import (
    JobTooBigError,
    QueueError,
    UnsupportedError,
    UsageError,
    WrongTypeError,
)
from pulpo.identity import NORMAL
from pulpo.job import Capabilities, Existing, JobId, NewJob
from pulpo.message import Message, check_moment
from pulpo.registry import JobType
from pulpo.retry import spoken_backoff

if TYPE_CHECKING:
    from pulpo.guarding import Guarding

__all__ = [
    "JobRef",
    "Publisher",
    "check_messages",
    "check_sizes",
    "new_job",
    "put",
    "references",
]

_LAST_MOMENT = 253_402_300_799.0  # the last second that a `datetime` can show
_LONGEST_DELAY = 2.0**32 - 1  # as for `Message.delay`
# Jobs that publish jobs that publish jobs: so deep it is a loop, which would fill the queue. A job
# with a delay starts a new chain, since one that comes back once a second floods nobody.
_DEEPEST = 100
_PACED = 1.0
# Bytes that stay free for `failures`, `bounces` and `bounced`: a job that could not carry its
# count would be tried for ever.
_ROOM_FOR_COUNTS = 64


@dataclass(frozen=True, slots=True)
class JobRef:
    """An accepted job: its id, the same over all its runs, and the queue that it waits in.

    `existing` says that nothing was added: the job is one that was there already, and holds the key
    that the new one would have needed.
    """

    id: str
    queue: str
    existing: bool = False


class Publisher(Protocol):
    """Whoever can publish, from any thread or event loop; `within` a user's transaction or not."""

    def publish(self, message: Message, *, within: object = None) -> JobRef:
        """Publish one message; returns when it is accepted."""
        ...

    def publish_like(self, template: Message, body: object) -> JobRef:
        """Publish `template.with_body(body)`."""
        ...

    def publish_alike(self, template: Message, bodies: Sequence[object]) -> list[JobRef]:
        """Publish `template.with_bodies(bodies)` in one round trip."""
        ...

    def publish_many(self, messages: Iterable[Message], *, within: object = None) -> list[JobRef]:
        """Publish several messages in one round trip."""
        ...

    async def apublish(self, message: Message, *, within: object = None) -> JobRef:
        """Publish one message without blocking the event loop."""
        ...

    async def apublish_many(
        self, messages: Iterable[Message], *, within: object = None
    ) -> list[JobRef]:
        """Publish several messages without blocking the event loop."""
        ...

    async def apublish_alike(self, template: Message, bodies: Sequence[object]) -> list[JobRef]:
        """Publish `template.with_bodies(bodies)` without blocking the event loop."""
        ...


def check_messages(messages: object) -> list[Message]:
    """Return the messages of a batch, or say what in it is none."""
    if isinstance(messages, Message | Mapping | str) or not isinstance(messages, Iterable):
        raise WrongTypeError(f"a batch is a list of messages: {messages!r}")
    batch = list(messages)
    for message in batch:
        check_message(message)
    return batch


def check_message(message: object) -> Message:
    """Return the message, or say what to publish instead."""
    if not isinstance(message, Message):
        raise WrongTypeError(
            "only a pulpo.Message can be published; a job function makes one with "
            f".message(...): {message!r}"
        )
    return message


def new_job(
    message: Message,
    codec: Codec,
    find: Callable[[str], JobType | None],
    now: float,
    depth: int = 0,
) -> NewJob:
    """Return the job that a message asks for; `now` is the wall clock's second.

    What the message leaves open is decided by its job type, where `find` knows it. `depth` counts
    the jobs above it where a running job publishes it. Raises `UsageError` and `EncodeError`,
    naming the value.
    """
    job_type = find(message.type)
    queue, priority, ttr, expires = _settled(message, job_type, now)
    headers: dict[str, object] = {"type": message.type, "id": message.id}
    # Said only where it is not the usual: what every reader knows costs no bytes.
    if queue != DEFAULT_QUEUE:
        headers["queue"] = queue
    if priority != NORMAL:
        headers["priority"] = priority
    if ttr != DEFAULT_TTR:
        headers["ttr"] = ttr
    if expires is not None:
        headers["expires"] = expires
    guarding = None
    if message.own_id or message.unique or (job_type is not None and job_type.unique is not None):
        guarding = _add_guards(headers, message, job_type)
    if message.retries is not None or message.timeout is not None or message.backoff is not None:
        _add_rules(headers, message)
    headers.update(message.headers)
    at = None
    if message.at is not None:
        at = headers["due"] = _due(message.at, now)
    delay = 0.0 if message.delay is None else seconds(message.delay, "delay")
    if depth and delay < _PACED and at is None:
        headers["depth"] = _checked_depth(depth, message.type)
    job = NewJob(
        id=message.id,
        type=message.type,
        queue=queue,
        body=codec.encode(headers, message.body),
        priority=priority,
        delay=delay,
        at=at,
        ttr=ttr,
        expires=expires,
    )
    return job if guarding is None else guarding.of(job, headers, message.body, codec)


def _add_guards(
    headers: dict[str, object], message: Message, job_type: JobType | None
) -> Guarding | None:
    from pulpo.guarding import guarding_of  # noqa: PLC0415  # plain jobs do without

    guarding = guarding_of(message, job_type)
    if guarding is not None:
        headers["guards"] = guarding.header
    return guarding


def _add_rules(headers: dict[str, object], message: Message) -> None:
    """Add the rules of this one job, where it has other ones than its type."""
    if message.retries is not None:
        headers["retries"] = message.retries
    if message.timeout is not None:
        headers["timeout"] = seconds(message.timeout, "timeout")
    if message.backoff is not None:
        headers["backoff"] = spoken_backoff(message.backoff)


def _checked_depth(depth: int, type: str) -> int:
    if depth > _DEEPEST:
        raise UsageError(
            f"{type!r} would be job number {depth + 1} in a chain of jobs that publish each other "
            f"at once: a loop; publish it with a delay of a second or more if it is meant"
        )
    return depth


def _settled(
    message: Message, job_type: JobType | None, now: float
) -> tuple[str, int, float, float | None]:
    queue, priority, expires = message.queue, message.priority, message.expires
    ttr = None if message.ttr is None else seconds(message.ttr, "ttr")
    if job_type is not None:
        queue = job_type.queue if queue is None else queue
        priority = job_type.priority if priority is None else priority
        ttr = job_type.ttr if ttr is None else ttr
        expires = job_type.expires if expires is None else expires
    return (
        DEFAULT_QUEUE if queue is None else queue,
        NORMAL if priority is None else priority,
        DEFAULT_TTR if ttr is None else ttr,
        None if expires is None else _moment(expires, now),
    )


def _moment(expires: float | str | datetime | object, now: float) -> float:
    if isinstance(expires, datetime):
        moment = check_moment(expires, "expires")
    else:
        moment = now + seconds(expires, "expires")  # type: ignore[arg-type]  # checked there
    if not 0 <= moment <= _LAST_MOMENT:
        raise UsageError(f"expires must be in the years 1970 to 9999: {expires!r}")
    return moment


def _due(at: datetime, now: float) -> float:
    moment = check_moment(at, "at")
    if moment - now > _LONGEST_DELAY:
        raise UsageError(f"at must be at most 136 years from now: {at!r}")
    return max(moment, 0.0)  # the past is the past, and engines count from 1970


class Accepting(Protocol):
    """What jobs can be put into: an adapter, or a way into a transaction."""

    @property
    def capabilities(self) -> Capabilities:
        """What the queue can do."""
        ...

    def put(self, jobs: Sequence[NewJob]) -> Sequence[JobId | Existing | QueueError]:
        """Accept jobs; for each, in order, its id or why it was not accepted."""
        ...


def put(adapter: Accepting, jobs: Sequence[NewJob]) -> list[JobRef]:
    """Put jobs and return their references, in order.

    Refuses the whole batch with `JobTooBigError` before anything is put if one job is larger than
    the queue takes. If the queue did not accept some, raises the first one's error, its `results`
    filled with what became of each.
    """
    if not jobs:
        return []
    if len(jobs) == 1:  # nearly always
        job = jobs[0]
        if not job.guards and len(job.body) <= adapter.capabilities.max_body - _ROOM_FOR_COUNTS:
            answers = adapter.put(jobs)
            if isinstance(answers[0], str):
                return [JobRef(job.id, job.queue)]
            return references(jobs, answers)
    check_sizes(adapter.capabilities, jobs)
    return references(jobs, adapter.put(jobs))


def check_sizes(queue: Capabilities, jobs: Sequence[NewJob]) -> None:
    """Raise `JobTooBigError` for a job that is larger than a queue takes."""
    largest = queue.max_body - _ROOM_FOR_COUNTS
    for job in jobs:
        if len(job.body) > largest:
            raise _too_big(job, queue.engine or "the queue", queue.max_body)
        if job.guards and not queue.guards and queue.engine:
            raise _unguarded(job, queue.engine)


def references(
    jobs: Sequence[NewJob], answers: Sequence[JobId | Existing | QueueError]
) -> list[JobRef]:
    """Return the reference of each job, or raise what became of the first one without."""
    results = [
        JobRef(job.id, job.queue) if isinstance(answer, str) else _other(answer)
        for job, answer in zip(jobs, answers, strict=True)
    ]
    for result in results:
        if isinstance(result, QueueError):
            result.results = tuple(results)
            raise result
    return results  # type: ignore[return-value]  # no error among them


def check_size(adapter: Accepting, job: NewJob) -> None:
    """Raise `JobTooBigError` for a job that `put` would refuse; may connect to the queue."""
    check_sizes(adapter.capabilities, (job,))


def check_bytes(job: NewJob, at_most: int) -> None:
    """Raise `JobTooBigError` for a job that a queue which takes `at_most` bytes would refuse."""
    if len(job.body) > at_most - _ROOM_FOR_COUNTS:
        raise _too_big(job, "the outbox", at_most)


def _too_big(job: NewJob, who: str, at_most: int) -> JobTooBigError:
    return JobTooBigError(
        f"job of type {job.type!r} has {len(job.body)} bytes; {who} takes at most {at_most}, "
        f"of which {_ROOM_FOR_COUNTS} stay free for the count of its failures"
    )


def _unguarded(job: NewJob, engine: str) -> UnsupportedError:
    return UnsupportedError(
        f"{engine} keeps no guards here, so it takes no unique job and no id of the caller's "
        f"(beanstalkd does with ?side=URL): job type {job.type!r}"
    )


def _other(answer: Existing | QueueError) -> JobRef | QueueError:
    if isinstance(answer, QueueError):
        return answer
    return JobRef(answer.id, answer.queue, existing=True)
