"""Reserving inside a transaction, and the cheap look whether that is worth one."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from typing import NamedTuple

from pulpo.adapters.sqlite import statements as sql
from pulpo.adapters.sqlite.database import Ready
from pulpo.adapters.sqlite.rows import Candidate, Moment, jobs_of
from pulpo.adapters.sqlite.upkeep import Upkeep
from pulpo.job import Job

__all__ = ["Look", "claim", "look"]


class Look(NamedTuple):
    """What a look has found: something to reserve, or in how many seconds it may be so."""

    worth_it: bool
    soonest: float


def look(
    connection: sqlite3.Connection, upkeep: Upkeep, queues: Sequence[str], me: int, now: Moment
) -> Look:
    """Look for ready jobs without keeping anybody from writing."""
    served, soonest = queues, float("inf")
    delayed, scheduled, lease, paused = connection.execute(sql.NEXT_DUE, (me,)).fetchone()
    for moment, clock in ((delayed, now.boot), (scheduled, now.wall), (lease, now.boot)):
        if moment is not None:
            soonest = min(soonest, moment - clock)
    if paused:
        served, end = _unpaused(connection, queues, now)
        soonest = min(soonest, end)
    worth_it = soonest <= 0 or _any_ready(connection, served)
    return Look(worth_it or bool(upkeep.dead_holders(connection, me)), soonest)


def claim(
    connection: sqlite3.Connection,
    ready: Ready,
    upkeep: Upkeep,
    queues: Sequence[str],
    *,
    limit: int,
    owner: int,
    fence: int,
    now: Moment,
    roll_call: bool,
    overdue: bool,
) -> list[Job]:
    """Reserve the most urgent ready jobs for an owner, up to `limit`.

    The dead among the other holders are looked for where the `roll_call` is `overdue`, so that
    their urgent jobs come before others, or where fewer jobs are ready.
    """
    paused = upkeep.promote(connection, ready, now, me=owner)
    served = _unpaused(connection, queues, now)[0] if paused else queues
    if overdue:
        upkeep.take_back(connection, ready, upkeep.dead_holders(connection, owner))
    rows = _first(connection, served, limit, owner, now)
    if len(rows) < limit and roll_call and not overdue:
        dead = upkeep.dead_holders(connection, owner)
        if dead:
            upkeep.take_back(connection, ready, dead)
            rows = _first(connection, served, limit, owner, now)
    connection.executemany(sql.CLAIM, [(now.boot + row[3], owner, fence, row[0]) for row in rows])
    for row in rows:
        if row[1] in ready:  # made ready just now, and taken by us: nobody need wake for it
            ready[row[1]] -= 1
    return jobs_of(rows, fence)


def _unpaused(
    connection: sqlite3.Connection, queues: Sequence[str], now: Moment
) -> tuple[Sequence[str], float]:
    paused = dict(connection.execute(sql.PAUSES).fetchall())
    ends = {queue: float("inf") if end is None else end - now.boot for queue, end in paused.items()}
    served = [queue for queue in queues if ends.get(queue, 0) <= 0]
    # Other queues' as well: an ended pause has to be removed.
    return served, min(ends.values(), default=float("inf"))


def _first(
    connection: sqlite3.Connection, queues: Sequence[str], limit: int, owner: int, now: Moment
) -> list[Candidate]:
    while True:
        rows = _candidates(connection, queues, limit)
        mine = [(now.boot + row[3], row[0]) for row in rows if row[6] == owner]
        if not mine:
            return rows
        # They still run there and were renewed too late: no second run beside the first.
        connection.executemany(sql.RENEW, mine)


def _candidates(
    connection: sqlite3.Connection, queues: Sequence[str], limit: int
) -> list[Candidate]:
    rows: list[Candidate] = []
    for start in range(0, len(queues), sql.MOST_QUEUES):
        names = queues[start : start + sql.MOST_QUEUES]
        rows += connection.execute(sql.candidates(len(names)), (*names, limit)).fetchall()
    if len(queues) > sql.MOST_QUEUES:
        rows.sort(key=lambda row: (row[2], row[0]))
        del rows[limit:]
    return rows


def _any_ready(connection: sqlite3.Connection, queues: Sequence[str]) -> bool:
    for start in range(0, len(queues), sql.MOST_QUEUES):
        names = queues[start : start + sql.MOST_QUEUES]
        if connection.execute(sql.is_ready(len(names)), names).fetchone()[0]:
            return True
    return False
