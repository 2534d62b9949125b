"""Which other job holds the key of one: what keeps it from being kicked, or from running.

Asks the queue through an operator's door. What that means is said in `pulpo.explaining`.
"""

from __future__ import annotations

from pulpo.adapter import Guarding, QueueAdmin
from pulpo.codec import Codec
from pulpo.errors import CodecError, QueueError
from pulpo.job import JobId, ListedJob

__all__ = ["rival_of"]

# Reads guards whatever the signature: looking is not running.
_READER = Codec()


def rival_of(job: ListedJob, admin: QueueAdmin) -> JobId | None:
    """Return the id of another job that holds the key of this one until it is done, if any does.

    None as well where that cannot be known now: nobody is kept from looking by it.
    """
    if not isinstance(admin, Guarding):
        return None
    try:
        keys = [key for key, until in _READER.decode(job.body).guards if until == "done"]
        holders = admin.holders(keys) if keys else ()
    except (CodecError, QueueError):
        return None
    return next((held.id for held in holders if held is not None and held.id != job.id), None)
