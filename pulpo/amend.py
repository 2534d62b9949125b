"""Jobs as an operator rewrites them: moved to another queue, put aside, with other values.

Pure. Everything else of a job stays: its id, its story, its date. What nobody here may vouch for is
not rewritten, since a new signature would make it good.
"""

from __future__ import annotations

from collections.abc import Sequence

from pulpo.body_path import BodyPath
from pulpo.codec import Codec, is_signed
from pulpo.envelope import DEFAULT_QUEUE, DEFAULT_TTR, UNDECODABLE, Envelope
from pulpo.errors import DecodeError, SignatureError, UsageError
from pulpo.identity import NORMAL
from pulpo.job import JobState, ListedJob, NewJob
from pulpo.worker.story import encode_within, extended

__all__ = ["buried", "edited", "moved", "trusted"]

# A date and a delay that say the same moment, apart from what the looking took, in seconds.
_SAME = 2.0


def moved(job: ListedJob, queue: str, codec: Codec, *, now: float) -> NewJob:
    """Return the job as it goes on in another queue; bytes that are no job go as they are.

    `now` is the wall clock's second. Raises `SignatureError`.
    """
    try:
        envelope = trusted(job, codec)
    except DecodeError:
        delay = job.due if job.state is JobState.DELAYED else 0.0
        return NewJob(
            id=job.id,
            type=UNDECODABLE,
            queue=queue,
            body=job.body,
            priority=job.priority,
            delay=delay,
            ttr=job.ttr,
        )
    envelope = _placed(envelope, job, queue, job.priority)
    return _waiting(envelope, job, codec.encode(envelope.headers, envelope.body), now)


def buried(job: ListedJob, reason: str, codec: Codec, *, max_body: int) -> NewJob:
    """Return the job with the reason for which it is put aside as its last error.

    Raises `SignatureError`.
    """
    try:
        envelope = trusted(job, codec)
    except DecodeError:
        envelope = Envelope({"type": UNDECODABLE}, job.body)
    envelope = _placed(envelope, job, job.queue, job.priority)
    # Somebody who kicks it later wants it to run then, not at the date that it once had.
    told = envelope.with_headers(errors=extended(envelope.errors, reason), due=None, early=None)
    return _job(told, job, encode_within(codec, told, max_body))


def edited(
    job: ListedJob,
    codec: Codec,
    *,
    now: float,
    values: Sequence[tuple[BodyPath, object]] = (),
    queue: str | None = None,
    priority: int | None = None,
    delay: float | None = None,
) -> NewJob:
    """Return the job with other values at these places of its body, and nothing else changed.

    Without `queue`, `priority` or `delay`, in seconds from now, it keeps its own. Raises
    `CodecError` for bytes that are no job or that nobody here vouches for, `UsageError` for a place
    that is not there.
    """
    envelope = trusted(job, codec)
    body = envelope.body
    for path, value in values:
        try:
            body = path.replaced(body, value)
        except LookupError:
            raise UsageError(f"the body has no place {str(path)!r}") from None
    envelope = Envelope(envelope.headers, body)
    place = (queue or job.queue, job.priority if priority is None else priority)
    envelope = _placed(envelope, job, *place)
    if delay is None:
        return _waiting(envelope, job, codec.encode(envelope.headers, envelope.body), now)
    undated = envelope.with_headers(due=None, early=None)
    return _job(undated, job, codec.encode(undated.headers, undated.body), delay=delay)


def trusted(job: ListedJob, codec: Codec) -> Envelope:
    """Return what a job says, if that may be written anew here.

    Raises `DecodeError` for bytes that are no job, `SignatureError` where nobody here vouches for
    them.
    """
    if is_signed(job.body) and not codec.signs:
        raise SignatureError(
            f"the job is signed and no keys are set here, see PULPO_SIGNING_KEYS: {job.id!r}"
        )
    return codec.decode(job.body)


def _placed(envelope: Envelope, job: ListedJob, queue: str, priority: int) -> Envelope:
    # A worker on beanstalkd knows of these only what the headers say.
    return envelope.with_headers(
        id=job.id,
        queue=queue if queue != DEFAULT_QUEUE else None,
        priority=priority if priority != NORMAL else None,
        ttr=job.ttr if job.ttr != DEFAULT_TTR else None,
    )


def _waiting(envelope: Envelope, job: ListedJob, body: bytes, now: float) -> NewJob:
    """Return the job ready or delayed as it was: by its date where that is what it waits for."""
    if job.state is not JobState.DELAYED:
        return _job(envelope, job, body)
    date = envelope.due
    if date is not None and abs(date - now - job.due) < _SAME:
        return _job(envelope, job, body, at=date)
    return _job(envelope, job, body, delay=job.due)


def _job(
    envelope: Envelope, job: ListedJob, body: bytes, *, delay: float = 0.0, at: float | None = None
) -> NewJob:
    return NewJob(
        id=job.id,
        type=envelope.type,
        queue=envelope.queue,
        body=body,
        priority=envelope.priority,
        delay=delay,
        at=at,
        ttr=job.ttr,
        expires=envelope.expires,
    )
