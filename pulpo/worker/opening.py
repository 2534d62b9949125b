"""A reserved job made ready to run, or the verdict that it can't be.

Decodes, looks up the type, checks expiry and arguments. Runs nothing and settles nothing; nothing
that is in a job can make this raise.
"""

from __future__ import annotations

from typing import NoReturn

from pulpo.codec import Codec
from pulpo.envelope import UNDECODABLE, Envelope
from pulpo.errors import CodecError, SignatureError, WrongTypeError
from pulpo.job import Job
from pulpo.registry import Bindable, JobType, Registry
from pulpo.run import Run
from pulpo.worker.decide import EXPIRED, Verdict, bounce, undecodable, unsigned

__all__ = ["open_job"]


def _no_handler(run: Bindable) -> NoReturn:
    raise WrongTypeError(f"no handler for job type {run.envelope.type!r}")


# What a job belongs to that no handler is known for: it carries the usual rules.
_UNKNOWN = JobType(type="pulpo.unknown", bind=_no_handler)


def open_job(
    job: Job, codec: Codec, registry: Registry, *, now: float, spread: float
) -> tuple[Run, Verdict | None]:
    """Return a run, and the verdict where it must not be run.

    `now` is seconds since the epoch, `spread` -1.0 to 1.0.
    """
    try:
        envelope = codec.decode(job.body)
        if envelope.headers["type"] == UNDECODABLE:
            envelope = codec.decode(_inner(envelope))
    except CodecError as error:
        return _undecodable(job, codec, error, spread)
    job_type = registry.find(envelope.type)
    run = Run(job, envelope, job_type or _UNKNOWN)
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
    return run, None


def _bounced(envelope: Envelope, reason: str, now: float, spread: float) -> Verdict:
    return bounce(reason, envelope, now=now, spread=spread)


def _undecodable(job: Job, codec: Codec, error: CodecError, spread: float) -> tuple[Run, Verdict]:
    wrapper = _wrapper(job, codec)
    run = Run(job, wrapper, _UNKNOWN)
    if isinstance(error, SignatureError):
        return run, unsigned(error, failures=wrapper.failures)
    return run, undecodable(error, failures=wrapper.failures, spread=spread)


def _wrapper(job: Job, codec: Codec) -> Envelope:
    """Return the envelope around bytes that are no job: the one they came in, or a new one."""
    try:
        envelope = codec.decode(job.body)
        if envelope.headers["type"] == UNDECODABLE:
            return envelope
    except CodecError:
        pass
    return Envelope({"type": UNDECODABLE}, job.body)


def _inner(wrapper: Envelope) -> bytes:
    if not isinstance(wrapper.body, bytes):
        raise CodecError("a wrapper holds no bytes")
    return wrapper.body
