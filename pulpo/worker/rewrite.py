"""A verdict as a settlement: the job with its story brought up to date.

Pure apart from encoding. Why the verdict is what it is, is said in `pulpo.worker.decide`.
"""

from __future__ import annotations

from pulpo.codec import Codec
from pulpo.envelope import DEFAULT_QUEUE, DEFAULT_TTR, Envelope
from pulpo.errors import EncodeError
from pulpo.identity import NORMAL
from pulpo.job import NewJob, Settlement, Verb
from pulpo.run import Run
from pulpo.worker.decide import Verdict
from pulpo.worker.story import encode_within, extended

__all__ = ["settlement"]


def settlement(run: Run, verdict: Verdict, codec: Codec, *, max_body: int) -> Settlement:
    """Return what to tell the queue; rewrites the job where its headers change."""
    if verdict.verb is Verb.DELETE or verdict.verb is Verb.RELEASE:
        return Settlement(verdict.verb, run.job)
    return Settlement(verdict.verb, run.job, _rewritten(run, verdict, codec, max_body))


def _encoded(codec: Codec, envelope: Envelope, max_body: int) -> bytes:
    try:
        return encode_within(codec, envelope, max_body)
    except EncodeError:
        # So many values that headers of ours are too many: then it goes on without its story.
        return b""


def _rewritten(run: Run, verdict: Verdict, codec: Codec, max_body: int) -> NewJob:
    envelope, job = run.envelope, run.job
    ttr = envelope.ttr if job.ttr is None else job.ttr
    errors = list(envelope.errors)
    if verdict.error:
        errors = extended(errors, verdict.error)
    changed = envelope.with_headers(
        id=run.id,
        queue=run.queue if run.queue != DEFAULT_QUEUE else None,
        priority=run.priority if run.priority != NORMAL else None,
        ttr=ttr if ttr != DEFAULT_TTR else None,
        failures=verdict.failures or None,
        errors=errors or None,
        bounces=verdict.bounces or None,
        bounced=verdict.bounced,
    )
    return NewJob(
        id=run.id,
        type=run.type,
        queue=run.queue,
        body=_encoded(codec, changed, max_body) or job.body,
        priority=run.priority,
        delay=verdict.delay,
        ttr=ttr,
        expires=envelope.expires,
    )
