"""An adapter's place among those that hold jobs and wait for them: its owner and its doorbell.

Taken late: who only publishes is no owner, and costs no lock and no row.
"""

from __future__ import annotations

import contextlib
import sqlite3

from pulpo.adapters.sqlite import statements as sql
from pulpo.adapters.sqlite.database import Database, Ready
from pulpo.adapters.sqlite.doorbells import Doorbell
from pulpo.adapters.sqlite.owners import Owner, bury_strays
from pulpo.adapters.sqlite.troubles import not_opened
from pulpo.adapters.sqlite.upkeep import Upkeep
from pulpo.errors import QueueError

__all__ = ["Membership"]

_NOBODY = -1


class Membership:
    """The membership of one adapter; one thread."""

    def __init__(self, database: Database, upkeep: Upkeep) -> None:
        self._database = database
        self._upkeep = upkeep
        self._owner: Owner | None = None
        self._bell: Doorbell | None = None

    @property
    def number(self) -> int:
        """The owner's number in the rows of its jobs; one that no row has before it is one."""
        return _NOBODY if self._owner is None else self._owner.number

    def enter(self) -> Owner:
        """Become an owner, once; clears away the dead on the way in."""
        if self._owner is None:
            self._upkeep.now()  # opens the file, and sees whether the machine was started anew
            try:
                owner = Owner(self._database.side)
            except OSError as error:
                raise not_opened(error, self._database.path) from error

            def enter(connection: sqlite3.Connection, ready: Ready) -> None:
                self._upkeep.take_back_all(connection, ready)
                owner.enter(connection)
                bury_strays(connection, self._database.side)

            try:
                self._database.write(enter, synced=False)
            except BaseException:
                owner.close()
                raise
            self._owner = owner
        return self._owner

    def bell(self) -> Doorbell | None:
        """Return the doorbell to wait at; None where too many wait already, or it can't be made."""
        slot = self.enter().slot
        if self._bell is None and slot is not None:
            with contextlib.suppress(OSError):  # then the slow poll must do
                self._bell = Doorbell(self._database.side, slot)
        return self._bell

    def leave(self) -> None:
        """Give back every job, no crash counted, and take lock and doorbell away."""
        if self._bell is not None:  # first: without our row another may have its place
            self._bell.close()
        if self._owner is not None:
            with contextlib.suppress(QueueError):  # then the lock's end gives them back
                self._give_back(self._owner)
            self._owner.close()
        self.forget()

    def die(self) -> None:
        """Let go of the lock and of nothing else, as SIGKILL would."""
        if self._owner is not None:
            self._owner.abandon()

    def forget(self) -> None:
        """In a forked child: what is held is the parent's."""
        self._owner = self._bell = None

    def _give_back(self, owner: Owner) -> None:
        def give_back(connection: sqlite3.Connection, ready: Ready) -> None:
            for number, queue in connection.execute(sql.HELD, (owner.number,)).fetchall():
                connection.execute(sql.HAND_BACK, (number,))
                ready[queue] = ready.get(queue, 0) + 1
            owner.leave(connection)

        self._database.write(give_back, synced=True)
