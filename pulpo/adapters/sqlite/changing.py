"""What an operator does with one job of a queue file, inside a transaction.

Whoever calls has done the upkeep first: what a dead worker held is ready by then.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

from pulpo.adapters.sqlite.database import Ready
from pulpo.adapters.sqlite.holding import take_up
from pulpo.adapters.sqlite.rows import Due, Moment, State, due, row, too_big
from pulpo.adapters.sqlite.side import Now
from pulpo.clock import Clock
from pulpo.errors import QueueError
from pulpo.job import Act, Change, NewJob

__all__ = ["KICKED", "carry_out", "make_ready", "may_go", "rewrite"]

KICKED = (State.BURIED, State.DELAYED, State.SCHEDULED)

# A number may have been given to another job meanwhile.
_STATE = "SELECT state, holds FROM jobs WHERE number = ? AND id = ?"
_KICK = """
UPDATE jobs SET state = 0, moment = NULL, due_wall = NULL WHERE number = ?
"""
# A job that is put aside holds its key no more: it must not swallow what comes after it.
_LET_GO = "UPDATE jobs SET holds = -holds WHERE number = ? AND holds > 0"
_DELETE = "DELETE FROM jobs WHERE number = ?"
_EDIT = """
UPDATE jobs SET id = ?, type = ?, queue = ?, priority = ?, state = ?, moment = ?, due_wall = ?,
owner = 0, crashes = 0, ttr = ?, expires = ?, body = ? WHERE number = ?
"""


def carry_out(
    connection: sqlite3.Connection,
    ready: Ready,
    change: Change,
    now: Moment,
    *,
    clock: Clock,
    max_body: int,
) -> bool | QueueError:
    """Carry out one change; see `pulpo.adapter.QueueAdmin`."""
    job, rewritten = change.job, change.rewritten
    found = connection.execute(_STATE, (job.number, job.id)).fetchone()
    if found is None or found[0] == State.RESERVED:
        return False
    state, holds = found
    if change.act is Act.KICK:
        if state not in KICKED or not may_go(connection, job.number, holds, now, clock):
            return False
        make_ready(connection, ready, [(job.number, job.queue)])
    elif rewritten is None:
        connection.execute(_DELETE, (job.number,))
    elif (refusal := too_big(rewritten, max_body)) is not None:
        return refusal
    else:
        stays = State.BURIED if change.act is Act.BURY else state
        rewrite(connection, ready, job.number, stays, rewritten, now)
        if change.act is Act.BURY and holds is not None:
            connection.execute(_LET_GO, (job.number,))
    return True


def may_go(
    connection: sqlite3.Connection, number: int, holds: int | None, now: Moment, clock: Clock
) -> bool:
    """Tell whether a job that rests may be kicked: not while another one holds its key."""
    return holds is None or take_up(connection, number, Now(clock, now))


def make_ready(
    connection: sqlite3.Connection, ready: Ready, jobs: Sequence[tuple[int, str]]
) -> None:
    """Make jobs ready, by number and queue."""
    connection.executemany(_KICK, [(number,) for number, _ in jobs])
    for _, queue in jobs:
        ready[queue] = ready.get(queue, 0) + 1


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
