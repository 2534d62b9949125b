"""What workers tell of themselves beside the queue, as far as it can be reached from here.

Nothing where it can't: that is not the answer that there is no worker.
"""

from __future__ import annotations

from contextlib import closing

from pulpo.adapter import Engine
from pulpo.errors import QueueError
from pulpo.side import side_of
from pulpo.telling.told import NOTHING_TOLD, Told, read_told

__all__ = ["told_beside"]


def told_beside(engine: Engine, queue: str, *, now: float) -> Told:
    """Return what is known of workers; `now` is in seconds since the epoch."""
    try:
        store = side_of(engine)
        if store is None:
            return NOTHING_TOLD
        with closing(store):
            return read_told(store, queue, now=now)
    except QueueError:
        return NOTHING_TOLD
