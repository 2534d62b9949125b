"""Who else has the queue file open, and so whether the last connection of a process may be closed.

SQLite takes the log away with the last connection, and finds out by its own locks whether that is
the last. Any code in a process that opens the file plainly and closes it again, a backup for
example, drops those locks (https://sqlite.org/howtocorrupt.html, 2.2): then somebody else's close
would take the log away under this process, with jobs that were accepted, and somebody else's open
would begin its index anew. So pulpo asks a lock that such code does not know before it closes, and
holds what keeps strangers off, a program with SQLite's own means: the bytes that they try to lock
for themselves alone. Knows connections and locks, nothing of jobs.
"""

from __future__ import annotations

import os
import sqlite3
import threading
from collections.abc import Callable
from pathlib import Path

from pulpo.adapters.sqlite.place import side_folder
from pulpo.system import PresenceLock, RangeHold, keep_for_ever

__all__ = ["Company", "company_at"]

_LOCK = "open"
# Who can lock all of the first, behind the page at 1 GiB, is alone with the file; who can lock the
# other one has opened its index first (os_unix.c of SQLite: SHARED_FIRST, UNIX_SHM_DMS).
_SHARED = (2**30 + 2, 510)
_INDEX_IN_USE = (128, 1)
# Whoever is alone for a moment, to open or to close, is so for less, in seconds.
_PATIENCE = 1.0


class Company:
    """The connections of this process to one file; any thread."""

    def __init__(self, path: Path) -> None:
        self.pid = os.getpid()
        self._presence = PresenceLock(side_folder(path) / _LOCK)
        index = path.with_name(path.name + "-shm")
        self._holds = RangeHold(path, *_SHARED), RangeHold(index, *_INDEX_IN_USE)
        self._mutex = threading.Lock()
        self._open = 0
        self._kept: sqlite3.Connection | None = None

    def open(self, connect: Callable[[], sqlite3.Connection]) -> sqlite3.Connection:
        """Open one more connection, by `connect`.

        Raises what that raises, `OSError`, and `sqlite3.Error` for a file that is locked.
        """
        with self._mutex:
            if not self._open and self._kept is None:
                self._presence.enter()
            self._open += 1
        connection = None
        try:
            connection = connect()
            # Without a log, who writes has to be alone with the file; the question makes SQLite
            # read it, which makes an index that is not there.
            if connection.execute("PRAGMA journal_mode").fetchone() == ("wal",):
                with self._mutex:
                    self._take()
        except BaseException:
            self._leave(connection)
            raise
        return connection

    def _take(self) -> None:
        try:
            for hold in self._holds:
                hold.take(patience=_PATIENCE)
        except BlockingIOError as error:
            raise sqlite3.OperationalError("database is locked") from error

    def _give(self) -> None:
        # SQLite has to see whether it is alone.
        for hold in self._holds:
            hold.give()

    def close(self, connection: sqlite3.Connection) -> None:
        """Close a connection; or keep it, the last one here while others have the file open.

        A process that ends with one that is kept closes nothing: the kernel does, and the log
        stays for those who use it.
        """
        self._leave(connection)

    def _leave(self, connection: sqlite3.Connection | None) -> None:
        with self._mutex:
            self._open -= 1
            others = self._open or self._kept is not None
            if connection is None or others or self._presence.is_last():
                self._close(connection)
            else:
                self._kept = connection
                keep_for_ever(connection)

    def part(self, connection: sqlite3.Connection) -> None:
        """Close a connection before a fork, kept or not: a child must inherit none."""
        with self._mutex:
            self._open -= 1
            try:
                if not self._open:
                    self._give()
                connection.close()
                if not self._open and self._kept is not None:
                    self._kept.close()
            finally:
                if not self._open:
                    self._kept = None
                self._close(None)

    def _close(self, connection: sqlite3.Connection | None) -> None:
        is_last = not self._open and self._kept is None
        try:
            if is_last:
                self._give()
            if connection is not None:
                connection.close()
        finally:
            if is_last:
                for hold in self._holds:
                    hold.close()
                self._presence.leave()


# SQLite has one account of a file's locks for a whole process, so this has one as well.
_companies: dict[Path, Company] = {}


def company_at(path: Path) -> Company:
    """Return this process's company at a queue file."""
    found = _companies.get(path)
    if found is None or found.pid != os.getpid():
        found = _companies[path] = Company(path)
    return found
