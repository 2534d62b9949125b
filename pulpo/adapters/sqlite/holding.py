"""Who holds a key in a queue file: the guards of jobs, inside a transaction.

What is held until a job is done or started stands in its row, and goes with it; what is held for a
time is a fact beside the queue. Plain jobs never come here.
"""

from __future__ import annotations

import sqlite3
from typing import NamedTuple

from pulpo.adapters.sqlite.database import Ready
from pulpo.adapters.sqlite.rows import Due, State, row
from pulpo.adapters.sqlite.side import Now, Turn
from pulpo.job import Guard, JobId, NewJob, kept_guard
from pulpo.side import Write

__all__ = ["Holder", "hold_for_a_time", "holder", "insert_guarded", "take_up"]

_SPACE = "guards"
_ONE = "number, id, queue, state"
_HOLDER = f"SELECT {_ONE}, holds = 2 AND fence > 0 FROM jobs WHERE guard = ? AND holds > 0"
_LIVE = f"SELECT {_ONE} FROM jobs WHERE id = ? AND state <> 4 ORDER BY number LIMIT 1"
_INSERT = """
INSERT INTO jobs (id, type, queue, priority, state, moment, due_wall, ttr, expires, body,
                  guard, holds)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
"""
_STARTED = "UPDATE jobs SET holds = -2 WHERE guard = ? AND holds = 2 AND fence > 0"
_HOLDS = "SELECT guard, holds FROM jobs WHERE number = ?"
_HOLD = "UPDATE jobs SET holds = 1 WHERE number = ?"
# What stands in `holds` while the key is held.
_SIGNS = {"done": 1, "started": 2}


class Holder(NamedTuple):
    """Who holds a key; `number` and `state` are None where it is in the queue no more."""

    id: JobId
    queue: str
    number: int | None = None
    state: int | None = None


def holder(connection: sqlite3.Connection, key: str, now: Now) -> Holder | None:
    """Return who holds a key."""
    found = connection.execute(_HOLDER, (key,)).fetchone()
    if found is not None and not found[4]:
        number, job_id, queue, state, _ = found
        return Holder(job_id, queue, number, state)
    fact = Turn(connection, now).find(_SPACE, key)
    if fact is None:
        return None
    job_id, _, queue = fact.value.decode().partition(" ")
    live = connection.execute(_LIVE, (job_id,)).fetchone()
    return Holder(job_id, queue) if live is None else Holder(live[1], live[2], live[0], live[3])


def insert_guarded(
    connection: sqlite3.Connection,
    ready: Ready,
    job: NewJob,
    when: Due,
    body: bytes | None = None,
) -> None:
    """Insert a job that holds its key, unless it is buried, or somebody else does by now."""
    guard = kept_guard(job.guards)
    key = holds = None
    if guard is not None:
        key, holds = guard.key, _SIGNS[str(guard.until)]
        connection.execute(_STARTED, (key,))
        if when.state == State.BURIED or connection.execute(_HOLDER, (key,)).fetchone():
            holds = -holds
    connection.execute(_INSERT, (*row(job, when, body), key, holds))
    if when.state == State.READY:
        ready[job.queue] = ready.get(job.queue, 0) + 1


def take_up(connection: sqlite3.Connection, number: int, now: Now) -> bool:
    """Let a job that is kicked hold its key again; False where somebody else does by now."""
    key, holds = connection.execute(_HOLDS, (number,)).fetchone()
    if holds != -_SIGNS["done"]:
        return True
    if holder(connection, key, now) is not None:
        return False
    connection.execute(_STARTED, (key,))
    connection.execute(_HOLD, (number,))
    return True


def hold_for_a_time(connection: sqlite3.Connection, guard: Guard, job: NewJob, now: Now) -> None:
    """Note what a job holds for so many seconds."""
    assert not isinstance(guard.until, str)
    told = f"{job.id} {job.queue}".encode()
    fact = Write(space=_SPACE, key=guard.key, value=told, lasts=guard.until)
    Turn(connection, now).write(fact)
