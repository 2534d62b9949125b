"""What an operator does with one job of a queue file, inside a transaction.

Whoever calls has done the upkeep first: what a dead worker held is ready by then.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

from pulpo.adapters.sqlite.database import Ready
from pulpo.adapters.sqlite.rows import Due, Moment, State, due, row, too_big
from pulpo.errors import QueueError
from pulpo.job import Act, Change, NewJob

__all__ = ["KICKED", "START", "carry_out", "kick_some", "make_ready", "rewrite"]

KICKED = (State.BURIED, State.DELAYED, State.SCHEDULED)

#: Where the first batch of buried jobs begins: before the time of any burial.
START = float("-inf")
# Jobs that are kicked in one transaction: between two of them workers have their turn.
_BATCH = 1_000
_BURIED = """
SELECT number, moment FROM jobs WHERE state = 4 AND moment >= ? AND queue = ?
ORDER BY moment, queue, owner, number LIMIT ?
"""
# A number may have been given to another job meanwhile.
_STATE = "SELECT state FROM jobs WHERE number = ? AND id = ?"
_KICK = """
UPDATE jobs SET state = 0, moment = NULL, due_wall = NULL WHERE number = ?
"""
_DELETE = "DELETE FROM jobs WHERE number = ?"
_EDIT = """
UPDATE jobs SET id = ?, type = ?, queue = ?, priority = ?, state = ?, moment = ?, due_wall = ?,
owner = 0, crashes = 0, ttr = ?, expires = ?, body = ? WHERE number = ?
"""


def carry_out(
    connection: sqlite3.Connection, ready: Ready, change: Change, now: Moment, *, max_body: int
) -> bool | QueueError:
    """Carry out one change; see `pulpo.adapter.QueueAdmin`."""
    job, rewritten = change.job, change.rewritten
    found = connection.execute(_STATE, (job.number, job.id)).fetchone()
    if found is None or found[0] == State.RESERVED:
        return False
    (state,) = found
    if change.act is Act.KICK:
        if state not in KICKED:
            return False
        make_ready(connection, ready, [(job.number, job.queue)])
    elif rewritten is None:
        connection.execute(_DELETE, (job.number,))
    elif (refusal := too_big(rewritten, max_body)) is not None:
        return refusal
    else:
        stays = State.BURIED if change.act is Act.BURY else state
        rewrite(connection, ready, job.number, stays, rewritten, now)
    return True


def make_ready(
    connection: sqlite3.Connection, ready: Ready, jobs: Sequence[tuple[int, str]]
) -> None:
    """Make jobs ready, by number and queue."""
    connection.executemany(_KICK, [(number,) for number, _ in jobs])
    for _, queue in jobs:
        ready[queue] = ready.get(queue, 0) + 1


def kick_some(
    connection: sqlite3.Connection, ready: Ready, *, queue: str, since: float, most: int
) -> tuple[int, float]:
    """Kick a batch of a queue's buried jobs; return how many, and where the next batch begins."""
    limit = min(most, _BATCH)
    buried = connection.execute(_BURIED, (since, queue, limit)).fetchall()
    make_ready(connection, ready, [(number, queue) for number, _ in buried])
    return len(buried), buried[-1][1] if buried else since


def rewrite(
    connection: sqlite3.Connection,
    ready: Ready,
    number: int,
    state: int,
    job: NewJob,
    now: Moment,
) -> None:
    """Put a job in the place of another, buried where `state` says so."""
    when = due(job, now) if state != State.BURIED else Due(State.BURIED.value, now.wall, None)
    connection.execute(_EDIT, (*row(job, when), number))
    if when.state == State.READY:
        ready[job.queue] = ready.get(job.queue, 0) + 1
