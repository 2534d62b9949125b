"""Accepting a job with guards into a queue file, or naming who holds one of its keys.

Inside a transaction, so it is exact. Plain jobs never come here.
"""

from __future__ import annotations

import sqlite3

from pulpo.adapters.sqlite.census import SEEN, shown
from pulpo.adapters.sqlite.changing import rewrite
from pulpo.adapters.sqlite.database import Ready
from pulpo.adapters.sqlite.holding import Holder, hold_for_a_time, holder, insert_guarded
from pulpo.adapters.sqlite.rows import State, due, too_big
from pulpo.adapters.sqlite.side import Now
from pulpo.errors import QueueError
from pulpo.job import Existing, Guard, JobId, NewJob

__all__ = ["accept"]

_SEE = f"SELECT {SEEN} FROM jobs WHERE number = ?"
_WAITING = (State.READY, State.DELAYED, State.SCHEDULED)


def accept(
    connection: sqlite3.Connection, ready: Ready, job: NewJob, now: Now, *, max_body: int
) -> JobId | Existing | QueueError:
    """Insert a job where its keys are free; see `QueueAdapter.put`. It is not too large."""
    for guard in job.guards:
        held = holder(connection, guard.key, now)
        if held is not None:
            return _meet(connection, ready, guard, held, now, max_body=max_body)
    for guard in job.guards:
        if not isinstance(guard.until, str):
            hold_for_a_time(connection, guard, job, now)
    insert_guarded(connection, ready, job, due(job, now.moment))
    return job.id


def _meet(
    connection: sqlite3.Connection,
    ready: Ready,
    guard: Guard,
    held: Holder,
    now: Now,
    *,
    max_body: int,
) -> Existing | QueueError:
    if guard.instead is None or held.number is None or held.state not in _WAITING:
        return Existing(held.id, held.queue)
    seen = connection.execute(_SEE, (held.number,)).fetchone()
    job = guard.instead(shown(seen, now.moment, ()))
    if (refusal := too_big(job, max_body)) is not None:
        return refusal
    rewrite(connection, ready, held.number, State.READY, job, now.moment)
    return Existing(job.id, job.queue)
