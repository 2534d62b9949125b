"""One connection to the queue file: opened late, written under one lock, never shared by a fork.

Knows transactions, syncing, checkpoints and what SQLite's errors mean; nothing of jobs.
"""

from __future__ import annotations

import os
import sqlite3
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any, TypeVar

from pulpo.adapters.sqlite.checkpoints import Checkpoints
from pulpo.adapters.sqlite.company import Company, company_at
from pulpo.adapters.sqlite.connecting import connect
from pulpo.adapters.sqlite.doorbells import Doorbells
from pulpo.adapters.sqlite.place import Identity, identity, prepare, side_folder
from pulpo.adapters.sqlite.troubles import not_opened, translated
from pulpo.clock import Clock
from pulpo.errors import QueueUnavailableError
from pulpo.fair_lock import FairLock
from pulpo.system import abandon_in_children, hold_still_at_forks, keep_for_ever

__all__ = ["Database", "Ready", "Work"]

T = TypeVar("T")
# What a transaction has made ready: how many jobs of which queue.
Ready = dict[str, int]
Work = Callable[[sqlite3.Connection, Ready], T]
Parameters = Sequence[object] | Mapping[str, object]

# How long a call waits for other writers before it says that the queue is out of reach.
PATIENCE = 5.0
# How long SQLite itself waits, in which nobody beats; it does so for strangers only: a shell, a
# backup. Well below the silence after which a worker process is taken for frozen.
ONE_TRY = 1.0
_TRIES = max(round(PATIENCE / ONE_TRY), 1)
_BUSY, _LOCKED = 5, 6  # https://sqlite.org/rescode.html


class Database:
    """A connection of one thread; nothing is opened before the first statement.

    It is closed before this process forks, and opens itself anew on both sides. For SQLite counts
    its locks in the process's memory: a child would inherit the count without the locks, and
    whoever closes last would take the log away under it, with jobs that were accepted
    (https://sqlite.org/howtocorrupt.html, 2.6). Whoever uses the connection holds `no_fork`.
    """

    def __init__(
        self, path: Path, *, durable: bool, clock: Clock, beat: Callable[[], None]
    ) -> None:
        self.path, self._name = path, str(path)
        self.side = side_folder(path)
        self.durable = durable
        self.clock = clock
        self._beat = beat
        self._pid = 0
        self._connection: sqlite3.Connection | None = None
        self._closed = self._tainted = False
        self._lock: FairLock
        self.no_fork = threading.RLock()
        hold_still_at_forks(self)

    # What others ask of it

    @property
    def connection(self) -> sqlite3.Connection:
        """The open connection of this process."""
        connection = self._connection
        if connection is not None and self._pid == os.getpid():
            return connection
        with self.no_fork:
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

    def read(self, statement: str, parameters: Parameters = ()) -> list[Any]:
        """Return all rows of one query, in a transaction of its own.

        Raises `QueueUnavailableError`.
        """
        with self.no_fork:
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
        self.connection  # noqa: B018  # opens it, and with it the lock of the writers
        self.check_file()
        if not self._lock.take(PATIENCE):
            raise _kept_out(self.path)
        try:
            with self.no_fork:
                return self._commit(self.connection, work, synced)
        finally:
            self._lock.give()

    def _commit(self, connection: sqlite3.Connection, work: Work[T], synced: bool) -> T:
        committing = False
        try:
            self._synchronous(synced and self.durable)
            _begin(connection, self._beat)
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
        return result

    def close(self) -> None:
        """Let go of the file; twice is once, and a forked child's close is its own only."""
        self._closed = True
        with self.no_fork:
            if self._pid != os.getpid():
                self.abandon()
                return
            connection, self._connection = self._connection, None
            if connection is not None:
                self._company.close(connection)
            self._doorbells.close()
            self._lock.close()

    # Forking

    def before_fork(self) -> None:
        """Close the connection, between two transactions."""
        self.no_fork.acquire()
        if self._connection is not None and not self._connection.in_transaction:
            with suppress(sqlite3.Error):
                self._company.part(self._connection)
            self._connection = None

    def after_fork(self) -> None:
        """Let others go on."""
        self.no_fork.release()

    def abandon(self) -> None:
        """In a forked child: never close what the parent still has open, not even at exit."""
        if self.no_fork.acquire(blocking=False):
            self.no_fork.release()
        else:  # forked by something that did not ask: its holder is not in this process
            self.no_fork = threading.RLock()
        connection, self._connection = self._connection, None
        if connection is not None:
            self._tainted = True
            keep_for_ever(connection)

    # Opening

    def _open(self) -> None:
        if self._closed:
            raise QueueUnavailableError(f"the queue was closed: {str(self.path)!r}")
        if self._pid not in (0, os.getpid()):
            self.abandon()
        if self._tainted:
            raise QueueUnavailableError(
                "this process was forked while its parent wrote into the queue file, or by "
                "something that did not tell Python; publish from a process that was not: "
                f"{str(self.path)!r}"
            )
        if self._pid == os.getpid():  # closed for a fork
            self.check_file()
            self._start(self._connect(self._lock))
            return
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
        self._doorbells = doorbells
        self._pid = os.getpid()
        self._start(connection)
        abandon_in_children(self)

    def _connect(self, lock: FairLock) -> sqlite3.Connection:
        self._company: Company = company_at(self.path)
        try:
            return self._company.open(lambda: connect(self.path, lock, patience=3 * ONE_TRY))
        except (OSError, sqlite3.Error) as error:
            raise not_opened(error, self.path) from error

    def _start(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._synchronous_now: bool | None = None
        connection.execute(f"PRAGMA busy_timeout = {int(ONE_TRY * 1000)}")
        self._checkpoints = Checkpoints(self.path, patience=ONE_TRY)

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


def _kept_out(path: Path) -> QueueUnavailableError:
    return QueueUnavailableError(
        "database is locked: another process has kept the queue file for "
        f"{PATIENCE:.0f} s: {str(path)!r}"
    )


def _begin(connection: sqlite3.Connection, beat: Callable[[], None]) -> None:
    """Begin to write, beating while a stranger keeps the file."""
    for left in range(_TRIES - 1, -1, -1):
        try:
            connection.execute("BEGIN IMMEDIATE")
        except sqlite3.OperationalError as error:
            if not left or error.sqlite_errorcode & 0xFF not in (_BUSY, _LOCKED):
                raise
            beat()
        else:
            return
