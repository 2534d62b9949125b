"""A verdict as a settlement: the job with its story brought up to date.

Pure apart from encoding. Why the verdict is what it is, is said in `pulpo.worker.decide`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from pulpo.codec import Codec
from pulpo.envelope import DEFAULT_QUEUE, DEFAULT_TTR, Envelope
from pulpo.errors import EncodeError
from pulpo.identity import NORMAL
from pulpo.job import Guard, NewJob, Settlement, Verb
from pulpo.run import Run
from pulpo.worker.decide import Ending, Verdict
from pulpo.worker.story import encode_within, extended

__all__ = ["countable", "settlement"]


def settlement(run: Run, verdict: Verdict, codec: Codec, *, max_body: int) -> Settlement:
    """Return what to tell the queue; rewrites the job where its headers change."""
    if verdict.verb is Verb.DELETE or verdict.verb is Verb.RELEASE:
        return Settlement(verdict.verb, run.job)
    return Settlement(verdict.verb, run.job, _rewritten(run, verdict, codec, max_body))


def countable(run: Run, verdict: Verdict, told: Settlement, *, max_body: int) -> Verdict:
    """Return the verdict, or burial where the job has no room for the count that it asks for.

    What pulpo publishes leaves that room; bytes of a stranger may not, and a job that never counts
    would be tried for ever.
    """
    copy = told.rewritten
    envelope = run.envelope
    counts = (verdict.failures, verdict.bounces, verdict.early) != (
        envelope.failures,
        envelope.bounces,
        0,
    )
    if copy is None or told.verb is not Verb.REPLACE or not counts:
        return verdict
    if len(copy.body) <= max_body and copy.body != run.job.body:
        return verdict
    reason = f"too large to carry the count of its tries: {verdict.reason}"
    return replace(verdict, ending=Ending.BURIED, verb=Verb.BURY, delay=0.0, reason=reason)


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
    bounces = verdict.ending is Ending.BOUNCED
    stays = bool(bounces or verdict.early)  # nothing was said of whether it may start
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
        # Until it has run once it has a date; its later runs go by its delays alone.
        due=envelope.due if verdict.early or bounces else None,
        early=verdict.early or (envelope.early if bounces else 0) or None,
        limited=envelope.limited if stays else verdict.limited,
        turn=envelope.turn if stays else verdict.turn,
    )
    guards: Sequence[Guard] = ()
    if envelope.guards:
        # The first run has begun, and that cannot be undone.
        left = [[key, until] for key, until in envelope.guards if until != "started"]
        changed = changed.with_headers(guards=left or None)
        guards = [Guard(key, until) for key, until in envelope.guards if until == "done"]
    return NewJob(
        id=run.id,
        type=run.type,
        queue=run.queue,
        body=_encoded(codec, changed, max_body) or job.body,
        priority=run.priority,
        delay=verdict.delay,
        ttr=ttr,
        expires=envelope.expires,
        guards=guards,
    )
