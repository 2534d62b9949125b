"""One connection to the queue file: opened late, written under one lock, never shared by a fork.

Knows transactions, syncing, checkpoints and what SQLite's errors mean; nothing of jobs.
"""

from __future__ import annotations

import os
import sqlite3
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import quote

from pulpo.adapters.sqlite.doorbells import Doorbells
from pulpo.adapters.sqlite.place import Identity, identity, prepare, side_folder
from pulpo.adapters.sqlite.schema import needs_upgrade, upgrade
from pulpo.adapters.sqlite.troubles import translated
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
_CHECKPOINT_BYTES = 4 * 2**20
_MOST_WAL_BYTES = 16 * 2**20
# How many transactions, or changed rows, may pass before somebody looks how large the WAL is.
_COMMITS_BETWEEN_LOOKS = 32
_ROWS_BETWEEN_LOOKS = 1_000


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
        self._name = str(path)
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
            self._checkpoint_if_due(connection)
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
        lock = FairLock(self.side / "writer", self._beat)
        try:
            connection = self._connect(lock)
        except BaseException:
            lock.close()
            raise
        self._lock = lock
        self._identity: Identity = found
        self._connection = connection
        self._doorbells = Doorbells(self.side)
        self._pid = os.getpid()
        self._synchronous_now: bool | None = None
        self._commits = 0
        self._changes = 0
        self._next_checkpoint = _CHECKPOINT_BYTES
        self._wal = self.path.with_name(self.path.name + "-wal")
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
            connection.execute("PRAGMA journal_mode = WAL").fetchone()
            connection.execute("PRAGMA synchronous = FULL")
            upgrade(connection, str(self.path))
        finally:
            lock.give()

    # Writing

    def check_file(self) -> None:
        """Raise `QueueUnavailableError` where the file is not the one that was opened."""
        found = identity(self._name)
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

    def _checkpoint_if_due(self, connection: sqlite3.Connection) -> None:
        self._commits += 1
        changes = connection.total_changes
        if self._commits < _COMMITS_BETWEEN_LOOKS and changes - self._changes < _ROWS_BETWEEN_LOOKS:
            return
        self._commits, self._changes = 0, changes
        try:
            size = self._wal.stat().st_size
        except FileNotFoundError:
            return
        if size >= self._next_checkpoint:
            self._checkpoint(connection, size)

    def _checkpoint(self, connection: sqlite3.Connection, size: int) -> None:
        """Move the WAL into the file, while we keep every writer out.

        SQLite before 3.51.3 may corrupt a file when two checkpoints race with a commit that
        resets the WAL (https://sqlite.org/wal.html, section 11): here nothing races.
        """
        connection.execute("PRAGMA busy_timeout = 0")  # a reader in the way: later, not 5 s now
        try:
            busy, _, _ = connection.execute("PRAGMA wal_checkpoint(RESTART)").fetchone()
        except sqlite3.OperationalError:  # no room on the disk, or locked: what we did is done
            busy = 1
        finally:
            connection.execute(f"PRAGMA busy_timeout = {int(PATIENCE * 1000)}")
        self._next_checkpoint = size + _CHECKPOINT_BYTES // 4 if busy else _CHECKPOINT_BYTES


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
