"""Opening the queue file with SQLite: how a connection is set, and whose file it may be.

Knows versions and strangers, no transactions of its own but those of an upgrade.
"""

from __future__ import annotations

import sqlite3
import sys
from pathlib import Path
from urllib.parse import quote

from pulpo.adapters.sqlite.schema import needs_upgrade, upgrade
from pulpo.adapters.sqlite.troubles import translated
from pulpo.errors import QueueUnavailableError
from pulpo.fair_lock import FairLock

__all__ = ["MOST_WAL_BYTES", "connect"]

MOST_WAL_BYTES = 16 * 2**20


def connect(path: Path, lock: FairLock, *, patience: float) -> sqlite3.Connection:
    """Open a file that is there, and make it a queue of this version if it is not one yet.

    `patience` is how long it waits for other writers, in seconds. Raises `QueueUnavailableError`.
    """
    try:
        connection = _open(path, patience)
    except sqlite3.Error as error:  # with too many open files, say
        raise translated(error, path) from error
    try:
        _configure(connection)
        if needs_upgrade(connection, str(path)):
            _upgrade(connection, path, lock, patience)
    except sqlite3.Error as error:
        connection.close()
        raise translated(error, path) from error
    except BaseException:
        connection.close()
        raise
    return connection


def _open(path: Path, patience: float) -> sqlite3.Connection:
    return sqlite3.connect(
        f"file:{quote(str(path))}?mode=rw",
        uri=True,
        timeout=patience,
        isolation_level=None,
        cached_statements=256,
        check_same_thread=False,  # its owner's, but an app's close() may come from another
    )


def _upgrade(connection: sqlite3.Connection, path: Path, lock: FairLock, patience: float) -> None:
    if not lock.take(patience):
        raise QueueUnavailableError(
            f"another process has kept the queue file for {patience:.0f} s: {str(path)!r}"
        )
    try:
        # First: the mode stays with a file, and a stranger's file is left as it is.
        _refuse_stranger(connection, str(path))
        connection.execute("PRAGMA journal_mode = WAL").fetchone()
        connection.execute("PRAGMA synchronous = FULL")
        upgrade(connection, str(path))
    finally:
        lock.give()


def _refuse_stranger(connection: sqlite3.Connection, path: str) -> None:
    connection.execute("BEGIN IMMEDIATE")
    try:
        needs_upgrade(connection, path)
    finally:
        connection.execute("ROLLBACK")


def _configure(connection: sqlite3.Connection) -> None:
    for pragma in (
        "wal_autocheckpoint = 0",
        f"journal_size_limit = {MOST_WAL_BYTES}",
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
