"""What an operator does with jobs that are named by their id or their queue, inside a transaction.

Whoever calls has done the upkeep first. Jobs that were seen are changed in `changing`.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

from pulpo.adapters.sqlite.changing import KICKED, make_ready, may_go, rewrite
from pulpo.adapters.sqlite.database import Ready
from pulpo.adapters.sqlite.rows import Moment, State
from pulpo.clock import Clock
from pulpo.job import JobId, NewJob

__all__ = ["START", "delete_named", "edit_named", "kick_named", "kick_some"]

_FIND = "SELECT number, queue, state, holds FROM jobs WHERE id = ? ORDER BY number"
#: Where the first batch of buried jobs begins: before the time of any burial.
START = (float("-inf"), 0)
# Jobs that are kicked in one transaction: between two of them workers have their turn.
_BATCH = 1_000
_BURIED = """
SELECT number, queue, holds, moment FROM jobs
WHERE state = 4 AND moment >= ? AND (moment > ? OR number > ?) AND queue = ?
ORDER BY moment, number LIMIT ?
"""
_DELETE = "DELETE FROM jobs WHERE number = ?"

_Resting = tuple[int, str, int | None]


def kick_named(
    connection: sqlite3.Connection, ready: Ready, id: JobId, now: Moment, clock: Clock
) -> bool:
    """Make a job ready that is buried or delayed."""
    found = connection.execute(_FIND, (id,)).fetchall()
    resting = [(number, queue, holds) for number, queue, state, holds in found if state in KICKED]
    return _kick(connection, ready, resting, now, clock) > 0


def kick_some(
    connection: sqlite3.Connection,
    ready: Ready,
    *,
    queue: str,
    since: tuple[float, int],
    most: int,
    at: tuple[Moment, Clock],
) -> tuple[int, int, tuple[float, int]]:
    """Kick a batch of a queue's buried jobs.

    Returns how many were looked at, how many may go, and where the next batch begins.
    """
    moment, number = since
    asked = (moment, moment, number, queue, min(most, _BATCH))
    buried = connection.execute(_BURIED, asked).fetchall()
    kicked = _kick(connection, ready, [each[:3] for each in buried], *at)
    return len(buried), kicked, (buried[-1][3], buried[-1][0]) if buried else since


def delete_named(connection: sqlite3.Connection, id: JobId) -> bool:
    """Delete a job that is not being run."""
    found = connection.execute(_FIND, (id,)).fetchall()
    idle = [(number,) for number, _, state, _ in found if state != State.RESERVED]
    connection.executemany(_DELETE, idle)
    return bool(idle)


def edit_named(
    connection: sqlite3.Connection, ready: Ready, id: JobId, rewritten: NewJob, now: Moment
) -> bool:
    """Put a rewritten job in the place of one that is not being run."""
    for number, _, state, _ in connection.execute(_FIND, (id,)).fetchall():
        if state != State.RESERVED:
            rewrite(connection, ready, number, state, rewritten, now)
            return True
    return False


def _kick(
    connection: sqlite3.Connection,
    ready: Ready,
    resting: Sequence[_Resting],
    now: Moment,
    clock: Clock,
) -> int:
    kicked = [
        (number, queue)
        for number, queue, holds in resting
        if may_go(connection, number, holds, now, clock)
    ]
    make_ready(connection, ready, kicked)
    return len(kicked)
