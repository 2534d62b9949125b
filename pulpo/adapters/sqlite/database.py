"""One connection to the queue file: opened late, written under one lock, never shared by a fork.

Knows transactions, syncing, checkpoints and what SQLite's errors mean; nothing of jobs.
"""

from __future__ import annotations

import os
import sqlite3
import sys
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import quote

from pulpo.adapters.sqlite.checkpoints import Checkpoints
from pulpo.adapters.sqlite.doorbells import Doorbells
from pulpo.adapters.sqlite.place import Identity, identity, prepare, side_folder
from pulpo.adapters.sqlite.schema import needs_upgrade, upgrade
from pulpo.adapters.sqlite.troubles import not_opened, translated
from pulpo.clock import Clock
from pulpo.errors import QueueUnavailableError
from pulpo.system import FairLock, abandon_in_children, keep_for_ever

__all__ = ["Database", "Ready", "Work"]

T = TypeVar("T")
# What a transaction has made ready: how many jobs of which queue.
Ready = dict[str, int]
Work = Callable[[sqlite3.Connection, Ready], T]

# How long a call waits for other writers before it says that the queue is out of reach.
PATIENCE = 5.0
_MOST_WAL_BYTES = 16 * 2**20


class Database:
    """A connection of one thread; nothing is opened before the first statement.

    In a forked child it opens itself anew and leaves its parent's connection alone.
    """

    def __init__(
        self, path: Path, *, durable: bool, clock: Clock, beat: Callable[[], None]
    ) -> None:
        self.path = path
        self.side = side_folder(path)
        self.durable = durable
        self.clock = clock
        self._beat = beat
        self._pid = 0
        self._connection: sqlite3.Connection | None = None
        self._closed = False

    # What others ask of it

    @property
    def connection(self) -> sqlite3.Connection:
        """The open connection of this process."""
        if self._connection is None or self._pid != os.getpid():
            self._open()
        assert self._connection is not None
        return self._connection

    @property
    def process(self) -> int:
        """The process that has opened the connection, after opening it."""
        self.connection  # noqa: B018  # opens it
        return self._pid

    @property
    def doorbells(self) -> Doorbells:
        """The doorbells beside the file."""
        self.connection  # noqa: B018  # opens it
        return self._doorbells

    def read(self, statement: str, parameters: Sequence[object] = ()) -> list[Any]:
        """Return all rows of one query, in a transaction of its own.

        Raises `QueueUnavailableError`.
        """
        connection = self.connection
        try:
            return connection.execute(statement, parameters).fetchall()
        except sqlite3.Error as error:
            raise translated(error, self.path) from error

    def write(self, work: Work[T], *, synced: bool) -> T:
        """Run `work` in one transaction, and ring for what it has made ready.

        `synced`: it is on disk when this returns, where the URL does not say otherwise. Raises
        `QueueUnavailableError` (nothing was written), `QueueFullError` (likewise) or
        `PublishUncertainError` (the last word was not heard).
        """
        connection = self.connection
        self.check_file()
        if not self._lock.take(PATIENCE):
            raise QueueUnavailableError(
                f"database is locked: another process has kept the queue file for "
                f"{PATIENCE:.0f} s: {str(self.path)!r}"
            )
        committing = False
        try:
            self._synchronous(synced and self.durable)
            connection.execute("BEGIN IMMEDIATE")
            ready: Ready = {}
            result = work(connection, ready)
            committing = True
            connection.execute("COMMIT")
            if ready:
                self._doorbells.ring(ready)
            self._checkpoints.after_commit(connection)
        except sqlite3.Error as error:
            raise translated(error, self.path, committing=committing) from error
        finally:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            self._lock.give()
        return result

    def close(self) -> None:
        """Let go of the file; twice is once, and a forked child's close is its own only."""
        connection, self._connection = self._connection, None
        self._closed = True
        if connection is None or self._pid != os.getpid():
            return
        connection.close()
        self._doorbells.close()
        self._lock.close()

    def abandon(self) -> None:
        """In a forked child: never close what the parent has open, not even at exit."""
        connection, self._connection = self._connection, None
        if connection is not None:
            keep_for_ever(connection)

    # Opening

    def _open(self) -> None:
        if self._closed:
            raise QueueUnavailableError(f"the queue was closed: {str(self.path)!r}")
        self.abandon()
        found = prepare(self.path)
        with ExitStack() as undo:
            try:
                lock = FairLock(self.side / "writer", self._beat)
                undo.callback(lock.close)
                doorbells = Doorbells(self.side)
                undo.callback(doorbells.close)
            except OSError as error:
                raise not_opened(error, self.path) from error
            connection = self._connect(lock)
            undo.pop_all()
        self._lock = lock
        self._identity: Identity = found
        self._connection = connection
        self._doorbells = doorbells
        self._pid = os.getpid()
        self._synchronous_now: bool | None = None
        self._checkpoints = Checkpoints(self.path, patience=PATIENCE)
        abandon_in_children(self)

    def _connect(self, lock: FairLock) -> sqlite3.Connection:
        connection = sqlite3.connect(
            f"file:{quote(str(self.path))}?mode=rw",
            uri=True,
            timeout=PATIENCE,
            isolation_level=None,
            cached_statements=256,
            check_same_thread=False,  # its owner's, but an app's close() may come from another
        )
        try:
            _configure(connection)
            if needs_upgrade(connection, str(self.path)):
                self._upgrade(connection, lock)
        except sqlite3.Error as error:
            connection.close()
            raise translated(error, self.path) from error
        except BaseException:
            connection.close()
            raise
        return connection

    def _upgrade(self, connection: sqlite3.Connection, lock: FairLock) -> None:
        if not lock.take(PATIENCE):
            raise QueueUnavailableError(
                f"another process has kept the queue file for {PATIENCE:.0f} s: {str(self.path)!r}"
            )
        try:
            # First: the mode stays with a file, and a stranger's file is left as it is.
            _refuse_stranger(connection, str(self.path))
            connection.execute("PRAGMA journal_mode = WAL").fetchone()
            connection.execute("PRAGMA synchronous = FULL")
            upgrade(connection, str(self.path))
        finally:
            lock.give()

    # Writing

    def check_file(self) -> None:
        """Raise `QueueUnavailableError` where the file is not the one that was opened."""
        found = identity(str(self.path))
        if found != self._identity:
            what = "removed" if found is None else "replaced"
            raise QueueUnavailableError(
                f"the queue file was {what} while it was open; stop every process that uses it, "
                f"put the file back with its -wal, and start again: {str(self.path)!r}"
            )

    def _synchronous(self, full: bool) -> None:
        if full is not self._synchronous_now:
            self.connection.execute(f"PRAGMA synchronous = {'FULL' if full else 'NORMAL'}")
            self._synchronous_now = full


def _refuse_stranger(connection: sqlite3.Connection, path: str) -> None:
    connection.execute("BEGIN IMMEDIATE")
    try:
        needs_upgrade(connection, path)
    finally:
        connection.execute("ROLLBACK")


def _configure(connection: sqlite3.Connection) -> None:
    for pragma in (
        "wal_autocheckpoint = 0",
        f"journal_size_limit = {_MOST_WAL_BYTES}",
        "cache_size = -16000",
        "temp_store = MEMORY",
        # The file may come from a stranger: its triggers and views must not run as us.
        "trusted_schema = OFF",
        "cell_size_check = ON",
    ):
        connection.execute(f"PRAGMA {pragma}").fetchall()
    if sys.platform == "darwin":  # there fsync(2) does not reach the platter
        connection.execute("PRAGMA fullfsync = ON")
        connection.execute("PRAGMA checkpoint_fullfsync = ON")
