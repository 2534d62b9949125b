"""A job of one queue as it goes on in another: with its id, its story and its time. Pure.

Bytes go as they are, so that a signature stays good and a wrong one stays wrong. Only a foreign job
gets new ones: its id was a number of the engine that it leaves, and is written into it here, never
with a signature.
"""

from __future__ import annotations

from collections.abc import Sequence

from pulpo.codec import Codec
from pulpo.envelope import UNDECODABLE, Envelope
from pulpo.errors import DecodeError
from pulpo.job import Guard, Job, JobState, ListedJob, NewJob

__all__ = ["copy_of", "copy_of_reserved"]

_UNSIGNED = Codec()


def copy_of(job: ListedJob, *, now: float, grain: float = 0.0) -> NewJob:
    """Return what is put for a job that waits; `now` is the wall clock's second.

    `grain` is that of delays where it comes from, in seconds: what is left of one may be so much
    more than it says.
    A buried one comes out ready: who puts it has to bury it.
    """
    envelope = _read(job.body)
    delay, at = 0.0, None
    if job.state is JobState.DELAYED:
        date = None if envelope is None else envelope.due
        # A date is kept as one: what is left of it may be more than the old queue can wait.
        delay, at = (job.due + grain, None) if date is None or date <= now else (0.0, date)
    return NewJob(
        id=job.id,
        type=UNDECODABLE if envelope is None else envelope.type,
        queue=job.queue,
        body=_bytes(job.body, envelope, job.id),
        priority=job.priority,
        delay=delay,
        at=at,
        ttr=job.ttr,
        expires=None if envelope is None else envelope.expires,
        guards=_guards(envelope),
    )


def copy_of_reserved(job: Job, queue: str) -> NewJob:
    """Return what is put for a job that was reserved from this queue: ready at once."""
    envelope = _read(job.body)
    known = envelope or Envelope({"type": UNDECODABLE}, None)
    job_id = job.id or known.id or str(job.number)
    return NewJob(
        id=job_id,
        type=known.type,
        queue=queue,
        body=_bytes(job.body, envelope, job_id),
        priority=known.priority if job.priority is None else job.priority,
        ttr=known.ttr if job.ttr is None else job.ttr,
        expires=known.expires,
        guards=_guards(envelope),
    )


def _guards(envelope: Envelope | None) -> Sequence[Guard]:
    return () if envelope is None else [Guard(key, until) for key, until in envelope.guards]


def _read(body: bytes) -> Envelope | None:
    try:
        return _UNSIGNED.decode(body)
    except DecodeError:
        return None


def _bytes(body: bytes, envelope: Envelope | None, job_id: str) -> bytes:
    if envelope is None or envelope.id is not None:
        return body
    named = envelope.with_headers(id=job_id)
    return _UNSIGNED.encode(named.headers, named.body)
