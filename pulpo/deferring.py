"""A message checked now and published later: after a commit, or out of an outbox.

All that is the caller's happens at the call, middleware included, whose context may be gone later.
What the message says is kept as bytes, in which nothing that happens to the caller's objects
meanwhile is seen: an envelope of the wire format, signed where jobs are, but no job, and no worker
would take it for one. This file knows no database.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from datetime import UTC, datetime, timedelta

from pulpo.codec import Codec
from pulpo.duration import seconds
from pulpo.errors import DecodeError, UsageError
from pulpo.job import NewJob
from pulpo.message import Message
from pulpo.publishing import JobRef, check_bytes, check_size
from pulpo.sending import Sender
from pulpo.unique import Unique

__all__ = [
    "Kept",
    "acheck_kept",
    "apublish_kept",
    "check_kept",
    "keep",
    "keep_for_long",
    "kept_message",
    "publish_kept",
]

_TYPE = "pulpo.kept"
# These are where every envelope has them.
_AT_HOME = frozenset({"body", "id"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """A message that is to be published later: what it says as bytes, and its reference to be."""

    type: str
    ref: JobRef
    data: bytes


def keep(sender: Sender, message: Message, *, asks_queue: bool = True) -> Kept:
    """Check a message as publishing does, and keep it; raises what publishing would raise.

    To learn the largest job that the queue takes it may be connected to, unless `asks_queue` is
    false, which leaves that to `check_kept`.
    """

    def check(job: NewJob) -> None:
        if asks_queue:
            check_size(sender.connections().adapter(), job)

    prepared, ref = sender.prepare(message, check)
    return Kept(type=message.type, ref=ref, data=_as_bytes(prepared, sender.codec))


def keep_for_long(sender: Sender, message: Message, *, most_bytes: int) -> Kept:
    """Like `keep`, for a message that may be published much later; never asks the queue.

    Its delay and its end count from now: however late it is published, it runs when it was meant
    to. The job may have `most_bytes`.
    """
    prepared, ref = sender.prepare(message, lambda job: check_bytes(job, most_bytes))
    data = _as_bytes(_dated(prepared, sender.now()), sender.codec)
    return Kept(type=message.type, ref=ref, data=data)


def check_kept(sender: Sender, kept: Kept) -> None:
    """Raise `JobTooBigError` for a message whose job is larger than what the queue takes."""
    job = sender.job_of(kept_message(kept.data, sender.codec))
    check_size(sender.connections().adapter(), job)


async def acheck_kept(sender: Sender, kept: Kept) -> None:
    """Like `check_kept`, while the event loop goes on."""
    job = sender.job_of(kept_message(kept.data, sender.codec))
    await sender.connections().call(lambda adapter: check_size(adapter, job))


def publish_kept(sender: Sender, batch: Sequence[Kept]) -> list[JobRef]:
    """Publish what was kept, in one round trip; raises what publishing raises."""
    return sender.forward([kept_message(kept.data, sender.codec) for kept in batch])


async def apublish_kept(sender: Sender, batch: Sequence[Kept]) -> list[JobRef]:
    """Like `publish_kept`, while the event loop goes on."""
    return await sender.aforward([kept_message(kept.data, sender.codec) for kept in batch])


def kept_message(data: bytes, codec: Codec) -> Message:
    """Return the message that was kept; raises `CodecError` for bytes that are none."""
    envelope = codec.decode(data)
    said = envelope.headers.get("said")
    if envelope.type != _TYPE or not isinstance(said, Mapping):
        raise DecodeError(f"not a kept message: {data[:32]!r}")
    unknown = said.keys() - {field.name for field in fields(Message)}
    if unknown:
        raise DecodeError(f"kept by a newer pulpo, it says {sorted(map(str, unknown))!r}")
    try:
        unique = said.get("unique")
        if isinstance(unique, Mapping):
            said = {**said, "unique": Unique(**unique)}
        return Message(**said, id=envelope.headers["id"], body=envelope.body)  # type: ignore[arg-type]
    except (TypeError, LookupError, UsageError) as error:
        raise DecodeError(f"not a kept message: {error}") from error


def _spoken(value: object) -> object:
    """Return a value as it travels: what makes a job unique as its options by name."""
    if isinstance(value, Unique):
        return {"by": value.names, "until": value.hold, "on_conflict": value.on_conflict}
    return value


def _as_bytes(message: Message, codec: Codec) -> bytes:
    said = {
        field.name: _spoken(value)
        for field in fields(Message)
        if field.name not in _AT_HOME and (value := getattr(message, field.name)) is not None
    }
    return codec.encode({"type": _TYPE, "id": message.id, "said": said}, message.body)


def _dated(message: Message, now: float) -> Message:
    """Return the message with its delay and its end as moments, counted from second `now`."""
    at, expires = message.at, message.expires
    if message.delay is not None:
        at = _moment(now + seconds(message.delay, "delay"), "delay")
    if expires is not None and not isinstance(expires, datetime):
        expires = _moment(now + seconds(expires, "expires"), "expires")
    if at is message.at and expires is message.expires:
        return message
    return replace(message, delay=None, at=at, expires=expires)


def _moment(second: float, name: str) -> datetime:
    try:
        return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=second)
    except OverflowError:
        raise UsageError(f"{name} must end before the year 10000") from None
