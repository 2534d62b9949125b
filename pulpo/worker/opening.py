"""A reserved job made ready to run, or the verdict that it can't be.

Decodes, looks up the type, checks expiry and arguments. Runs nothing and settles nothing; nothing
that is in a job can make this raise.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NoReturn

from pulpo.codec import Codec
from pulpo.envelope import UNDECODABLE, Envelope
from pulpo.errors import CodecError, SignatureError, WrongTypeError
from pulpo.job import Job
from pulpo.middleware import Middleware, wrapped, wrapped_async
from pulpo.registry import Bindable, JobType, Registry
from pulpo.run import Run
from pulpo.worker.decide import EXPIRED, Verdict, bounce, undecodable, unsigned

__all__ = ["UNKNOWN", "open_job"]


def _no_handler(run: Bindable) -> NoReturn:
    raise WrongTypeError(f"no handler for job type {run.envelope.type!r}")


# What a wrapper takes over from the job in it.
_KEPT = ("id", "queue", "priority", "ttr")

#: What a job belongs to that no handler is known for: it carries the usual rules.
UNKNOWN = JobType(type="pulpo.unknown", bind=_no_handler)


def open_job(
    job: Job,
    codec: Codec,
    registry: Registry,
    *,
    now: float,
    spread: float,
    chain: Sequence[Middleware] = (),
) -> tuple[Run, Verdict | None]:
    """Return a run, and the verdict where it must not be run.

    `now` is seconds since the epoch, `spread` -1.0 to 1.0, `chain` the middleware around the run.
    """
    try:
        envelope = _decoded(job.body, codec)
        if codec.signs:
            _check_place(job, envelope)
    except CodecError as error:
        return _undecodable(job, error, spread)
    job_type = registry.find(envelope.type)
    if job_type is not None:
        job_type = job_type.for_job(envelope.headers)
    run = Run(job, envelope, job_type or UNKNOWN)
    expires = envelope.expires
    if expires is not None and expires <= now:
        return run, EXPIRED
    if job_type is None:
        reason = f"no handler for job type {envelope.type!r} in this worker"
        return run, _bounced(envelope, reason, now, spread)
    try:
        run.call = job_type.bind(run)
    except WrongTypeError as error:
        reason = f"arguments do not fit {envelope.type!r}: {error}"
        return run, _bounced(envelope, reason, now, spread)
    if chain:
        wrap = wrapped_async if job_type.is_async else wrapped
        run.call = wrap(chain, run, run.call)
    return run, None


def _bounced(envelope: Envelope, reason: str, now: float, spread: float) -> Verdict:
    return bounce(reason, envelope, now=now, spread=spread)


def _decoded(body: bytes, codec: Codec) -> Envelope:
    """Return the envelope to run by; the one inside a wrapper is what has to be signed."""
    try:
        envelope = codec.decode(body)
    except SignatureError:
        wrapper = _unverified(body)
        if wrapper is None or wrapper.headers["type"] != UNDECODABLE:
            raise
        # Put around it by a worker with other keys, who vouched for nothing.
        envelope = wrapper
    if envelope.headers["type"] != UNDECODABLE:
        return envelope
    envelope = codec.decode(_inner(envelope))
    if envelope.headers["type"] == UNDECODABLE:
        # Not of our making. Its type is nobody's: it would wait a day to lose one of its wrappers.
        raise CodecError("a wrapper in a wrapper")
    return envelope


def _check_place(job: Job, envelope: Envelope) -> None:
    """Refuse a job that was copied to another queue than the one it was signed for."""
    if job.queue is not None and job.queue != envelope.queue:
        raise SignatureError(
            f"the job was signed for queue {envelope.queue!r} and is in {job.queue!r}"
        )


def _undecodable(job: Job, error: CodecError, spread: float) -> tuple[Run, Verdict]:
    wrapper = _wrapper(job)
    run = Run(job, wrapper, UNKNOWN)
    if isinstance(error, SignatureError):
        return run, unsigned(error, failures=wrapper.failures)
    return run, undecodable(error, failures=wrapper.failures, spread=spread)


def _wrapper(job: Job) -> Envelope:
    """Return the envelope around bytes that are not to be run: theirs so far, or a new one.

    The bytes stay as they came: our own signature must never make good what was not signed.
    """
    envelope = _unverified(job.body)
    if envelope is None:
        return Envelope({"type": UNDECODABLE}, job.body)
    if envelope.headers["type"] == UNDECODABLE:
        return envelope
    # It can be read, only not trusted: whoever looks for it by its id has to find it.
    kept = {name: envelope.headers[name] for name in _KEPT if name in envelope.headers}
    return Envelope({**kept, "type": UNDECODABLE}, job.body)


def _unverified(body: bytes) -> Envelope | None:
    """Return what bytes say that nobody vouches for: to keep it in its place, never to run it."""
    try:
        return Codec().decode(body)
    except CodecError:
        return None


def _inner(wrapper: Envelope) -> bytes:
    if not isinstance(wrapper.body, bytes):
        raise CodecError("a wrapper holds no bytes")
    return wrapper.body
