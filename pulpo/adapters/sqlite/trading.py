"""Settling and reserving in one transaction, synced at the pace of one commit a second.

What each verb does is in `settling` and `claiming`; waiting for jobs is in `waiting`.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

from pulpo.adapters.sqlite import statements as sql
from pulpo.adapters.sqlite.claiming import Look, claim, look
from pulpo.adapters.sqlite.database import Database, Ready
from pulpo.adapters.sqlite.membership import Membership
from pulpo.adapters.sqlite.pace import SyncPace
from pulpo.adapters.sqlite.room import Room
from pulpo.adapters.sqlite.rows import Moment
from pulpo.adapters.sqlite.settling import Settling
from pulpo.adapters.sqlite.troubles import translated
from pulpo.adapters.sqlite.upkeep import Upkeep
from pulpo.errors import QueueError, QueueUnavailableError
from pulpo.job import Job, Settlement

__all__ = ["Traded", "Trader"]

Traded = tuple[Sequence[bool | QueueError], Sequence[Job]]

# How often a busy worker asks the kernel whether other holders of jobs live, in seconds.
_BETWEEN_ROLL_CALLS = 0.1


class Trader:
    """The reservations of one adapter in one process; one thread."""

    def __init__(self, database: Database, *, room: Room, max_body: int) -> None:
        self.upkeep = Upkeep(database)
        self.membership = Membership(database, self.upkeep)
        self.pace = SyncPace()
        self._database = database
        self._room = room
        self._max_body = max_body
        self._called_at = float("-inf")
        self._fence = 0

    def look(self, queues: Sequence[str]) -> Look:
        """Look whether there is something to reserve, without keeping anybody from writing."""
        now = self.upkeep.now()
        with self._database.no_fork:
            connection = self._database.connection
            try:
                return look(connection, self.upkeep, queues, self.membership.number, now)
            except sqlite3.Error as error:
                raise translated(error, self._database.path) from error

    def trade(
        self,
        settlements: Sequence[Settlement],
        queues: Sequence[str],
        *,
        limit: int,
        roll_call: bool = True,
    ) -> Traded:
        """Settle, then reserve up to `limit` jobs.

        `roll_call`: look for the dead now and then, and where nothing is settled or ready.
        """
        owner = self.membership.enter().number if limit else self.membership.number
        now = self.upkeep.now()
        settling = self._settling(settlements, owner, now) if settlements else None
        overdue = roll_call and now.boot - self._called_at >= _BETWEEN_ROLL_CALLS
        roll_call = overdue or (roll_call and not settlements)
        if overdue:
            self._called_at = now.boot
        self._fence += 1

        def trade(connection: sqlite3.Connection, ready: Ready) -> Traded:
            answers = settling.run(connection, ready) if settling else []
            if not limit:
                return answers, ()
            jobs = claim(
                connection,
                ready,
                self.upkeep,
                queues,
                limit=limit,
                owner=owner,
                fence=self._fence,
                now=now,
                roll_call=roll_call,
                overdue=overdue,
            )
            return answers, jobs

        synced = self.pace.is_due(now.boot)
        try:
            traded = self._database.write(trade, synced=synced)
        except QueueUnavailableError:
            raise
        except QueueError as error:  # the disk is full, or failed: nothing can be said yet
            if not settlements:
                raise QueueUnavailableError(str(error)) from error
            return [error] * len(settlements), ()
        self.pace.note(now.boot, synced=synced)
        return traded

    def touch(self, jobs: Sequence[Job]) -> Sequence[bool | QueueError]:
        """Start the leases of these jobs anew."""
        now = self.upkeep.now()
        owner = self.membership.number

        def renew(connection: sqlite3.Connection, _: Ready) -> list[bool | QueueError]:
            keys = [(now.boot, job.number, job.token, owner) for job in jobs]
            return [connection.execute(sql.TOUCH, key).rowcount == 1 for key in keys]

        renewed = self._database.write(renew, synced=False)
        self.pace.note(now.boot, synced=False)
        return renewed

    def leave(self, jobs: Sequence[Job]) -> None:
        """Count no crash for runs that end with this process."""
        owner = self.membership.number
        keys = [(job.number, job.token, owner) for job in jobs]
        self._database.write(lambda c, _: c.executemany(sql.LEAVE, keys), synced=False)

    def sync_if_due(self) -> None:
        """Sync what was committed more than a second ago, where no other commit came since."""
        now = self.upkeep.now()
        if self.pace.is_due(now.boot):
            fact = ("synced", f"{now.wall:.3f}")
            self._database.write(lambda c, _: c.execute(sql.SAY, fact), synced=True)
            self.pace.note(now.boot, synced=True)

    def _settling(self, settlements: Sequence[Settlement], owner: int, now: Moment) -> Settling:
        follow = sum(len(job.body) for s in settlements for job in s.then)
        return Settling(
            settlements,
            owner=owner,
            now=now,
            clock=self._database.clock,
            max_body=self._max_body,
            full=self._room.refusal(follow) if follow else None,
        )
