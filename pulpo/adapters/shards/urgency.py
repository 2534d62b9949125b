"""How urgent a reserved job is: its server does not say it, the job itself does."""

from __future__ import annotations

from pulpo.codec import Codec
from pulpo.errors import CodecError
from pulpo.identity import NORMAL
from pulpo.job import Job

__all__ = ["priority_of"]

_CODEC = Codec()  # what is signed is read here and not trusted


def priority_of(job: Job) -> int:
    """Return the priority of a reserved job; NORMAL for bytes that are none."""
    if job.priority is not None:
        return job.priority
    if b"priority" not in job.body:  # nearly always: the usual one is left out on the wire
        return NORMAL
    try:
        return _CODEC.decode(job.body).priority
    except CodecError:
        return NORMAL
