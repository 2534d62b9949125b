"""The guards of a message that is published: its unique key, and the id that its caller gave it.

Also what becomes of a job that waits when another one with its key comes: the new one under the
old id, or the old one at the new time. Plain messages never come here. Knows no queue.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from pulpo.codec import Codec, is_signed
from pulpo.envelope import Envelope
from pulpo.errors import DecodeError, SignatureError
from pulpo.job import Guard, ListedJob, NewJob
from pulpo.message import Message
from pulpo.registry import JobType
from pulpo.unique import OnConflict, Unique

__all__ = ["HELD_ID", "Guarding", "guarding_of", "id_key"]

#: So long, in seconds, an id that a caller has chosen names one job, also when that has run.
HELD_ID = 86_400.0


def id_key(id: str) -> str:
    """Return the key that a job holds whose id was chosen by its caller."""
    return f"id:{id}"


def guarding_of(message: Message, job_type: JobType | None) -> Guarding | None:
    """Return the guards of a message, None where it has none.

    Raises `UsageError` where it is to be unique by a value that it does not have.
    """
    unique = message.unique
    if unique is None and job_type is not None:
        unique = job_type.unique
    # The id first: the same id is the same job, which is not to take its own place.
    guards = [Guard(id_key(message.id), HELD_ID)] if message.own_id else []
    if isinstance(unique, Unique):
        type = message.type if job_type is None else job_type.type
        guards.append(Guard(unique.key(type, message.body), unique.hold))
    if not guards:
        return None
    return Guarding(guards, unique.on_conflict if isinstance(unique, Unique) else "skip")


@dataclass(frozen=True, slots=True)
class Guarding:
    """The guards of one job, and what becomes of a holder that waits."""

    guards: list[Guard]
    on_conflict: OnConflict

    @property
    def header(self) -> list[list[object]]:
        """The guards as they stand in the headers."""
        return _header(self.guards)

    def of(self, job: NewJob, headers: Mapping[str, object], body: object, codec: Codec) -> NewJob:
        """Return the job with its guards; `headers` and `body` are what its bytes say."""
        if self.on_conflict == "skip":
            return replace(job, guards=self.guards)

        def take_the_place(holder: ListedJob) -> NewJob:
            kept = _read(holder, codec)
            guards = self.header if kept is None else [list(each) for each in kept.guards]
            told = {**headers, "id": holder.id, "guards": guards}
            return replace(job, id=holder.id, body=codec.encode(told, body))

        def move(holder: ListedJob) -> NewJob:
            return _at_the_time_of(job, holder, codec)

        *others, unique = self.guards
        instead = take_the_place if self.on_conflict == "replace" else move
        return replace(job, guards=[*others, replace(unique, instead=instead)])


def _header(guards: list[Guard]) -> list[list[object]]:
    return [[guard.key, guard.until] for guard in guards]


def _at_the_time_of(job: NewJob, holder: ListedJob, codec: Codec) -> NewJob:
    """Return a job that waits as it is, at the time of another one."""
    envelope = _read(holder, codec)
    body, expires = holder.body, None
    if envelope is not None:
        # The date in its headers is the old one.
        told = envelope.with_headers(due=job.at, early=None)
        body, expires = codec.encode(told.headers, told.body), envelope.expires
    return NewJob(
        id=holder.id,
        type=job.type,
        queue=holder.queue,
        body=body,
        priority=holder.priority,
        delay=job.delay,
        at=job.at,
        ttr=holder.ttr,
        expires=expires,
    )


def _read(holder: ListedJob, codec: Codec) -> Envelope | None:
    """Return what a job says; None where nobody here may write it anew, or can read it."""
    if is_signed(holder.body) and not codec.signs:
        return None
    try:
        return codec.decode(holder.body)
    except (DecodeError, SignatureError):
        return None
