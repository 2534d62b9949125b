"""What time and death do to jobs: delays end, leases end, owners die, the machine starts anew.

Whoever comes by does it, a worker or an operator: there is no process of its own for it.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable

from pulpo.adapters.sqlite import statements as sql
from pulpo.adapters.sqlite.database import Database, Ready
from pulpo.adapters.sqlite.owners import bury_owners, dead_among
from pulpo.adapters.sqlite.rows import Moment, State

__all__ = ["Upkeep"]

_ALL_OWNERS = "SELECT number FROM owners"


class Upkeep:
    """The upkeep of one connection; one thread."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._process = 0
        self._last = 0.0

    def now(self) -> Moment:
        """Say what time it is, after a look whether the machine was started anew."""
        now = Moment.now(self._database.clock)
        # Within one boot its clock never goes back.
        if self._process != self._database.process or now.boot < self._last:
            self._see_boot(now)
        self._last = now.boot
        return now

    def promote(
        self, connection: sqlite3.Connection, ready: Ready, now: Moment, *, me: int
    ) -> bool:
        """Make ready what is due by now, and what others held too long; remove ended pauses.

        Returns whether any queue is paused, since that is known on the way.
        """
        delayed, scheduled, lease, paused = connection.execute(sql.NEXT_DUE, (me,)).fetchone()
        if delayed is not None and delayed <= now.boot:
            due = connection.execute(sql.DUE, (State.DELAYED.value, now.boot)).fetchall()
            _change(connection, ready, sql.PROMOTE, due)
        if scheduled is not None and scheduled <= now.wall:
            due = connection.execute(sql.DUE, (State.SCHEDULED.value, now.wall)).fetchall()
            _change(connection, ready, sql.PROMOTE, due)
        if lease is not None and lease <= now.boot:
            over = connection.execute(sql.EXPIRED, (now.boot, me)).fetchall()
            _change(connection, ready, sql.LEASE_OVER, over)
        if paused:
            connection.execute(sql.END_PAUSES, (now.boot,))
        return bool(paused)

    def dead_holders(self, connection: sqlite3.Connection, me: int) -> list[int]:
        """Return the owners that hold jobs and live no more."""
        holders = [owner for (owner,) in connection.execute(sql.HOLDERS) if owner != me]
        return dead_among(connection, self._database.side, holders)

    def take_back(self, connection: sqlite3.Connection, ready: Ready, dead: Iterable[int]) -> None:
        """Make ready what the dead held; each run that ended so counts as a crash."""
        for owner in dead:
            held = connection.execute(sql.HELD, (owner,)).fetchall()
            _change(connection, ready, sql.TAKE_BACK, held)
            bury_owners(connection, self._database.side, [owner])

    def take_back_all(self, connection: sqlite3.Connection, ready: Ready) -> None:
        """Clear away every dead owner, those too that held nothing."""
        owners = [number for (number,) in connection.execute(_ALL_OWNERS)]
        everybody = {*owners, *(owner for (owner,) in connection.execute(sql.HOLDERS))}
        dead = dead_among(connection, self._database.side, everybody)
        self.take_back(connection, ready, dead)

    def _see_boot(self, now: Moment) -> None:
        boot = self._database.clock.boot()
        if self._database.read(sql.BOOT) != [(boot,)]:

            def begin(connection: sqlite3.Connection, ready: Ready) -> None:
                if connection.execute(sql.BOOT).fetchone() == (boot,):
                    return  # somebody was faster
                del ready  # nobody waits yet: every process of the old boot is gone
                for rebase in (sql.REBASE, sql.REBASE_PAUSES):
                    connection.execute(rebase, (now.boot - now.wall,))
                connection.execute(sql.NEW_BOOT)
                connection.execute(sql.SAY, ("boot", boot))

            self._database.write(begin, synced=True)
        self._process = self._database.process


def _change(
    connection: sqlite3.Connection, ready: Ready, statement: str, found: list[tuple[int, str]]
) -> None:
    connection.executemany(statement, [(number,) for number, _ in found])
    for _, queue in found:
        ready[queue] = ready.get(queue, 0) + 1
