"""Keeping the write-ahead log small: when it is moved into the file, and by whom.

Knows the connection and the size of the log, no jobs.
"""

from __future__ import annotations

import sqlite3
from pathlib import Path

__all__ = ["Checkpoints"]

_CHECKPOINT_BYTES = 4 * 2**20
# How many transactions, or changed rows, may pass before somebody looks how large the log is.
_COMMITS_BETWEEN_LOOKS = 32
_ROWS_BETWEEN_LOOKS = 1_000


class Checkpoints:
    """The checkpoints of one connection; `patience` is its busy timeout in seconds."""

    def __init__(self, path: Path, *, patience: float) -> None:
        self._wal = path.with_name(path.name + "-wal")
        self._patience = patience
        self._commits = 0
        self._changes = 0
        self._next = _CHECKPOINT_BYTES

    def after_commit(self, connection: sqlite3.Connection) -> None:
        """Make a checkpoint if it is time for one; the caller keeps every other writer out."""
        self._commits += 1
        changes = connection.total_changes
        if self._commits < _COMMITS_BETWEEN_LOOKS and changes - self._changes < _ROWS_BETWEEN_LOOKS:
            return
        self._commits, self._changes = 0, changes
        try:
            size = self._wal.stat().st_size
        except FileNotFoundError:
            return
        if size >= self._next:
            self._checkpoint(connection, size)

    def _checkpoint(self, connection: sqlite3.Connection, size: int) -> None:
        """Move the log into the file, while we keep every writer out.

        SQLite before 3.51.3 may corrupt a file when two checkpoints race with a commit that
        resets the log (https://sqlite.org/wal.html, section 11): here nothing races.
        """
        connection.execute("PRAGMA busy_timeout = 0")  # a reader in the way: later, not 5 s now
        try:
            busy, _, _ = connection.execute("PRAGMA wal_checkpoint(RESTART)").fetchone()
        except sqlite3.OperationalError:  # no room on the disk, or locked: what we did is done
            busy = 1
        finally:
            connection.execute(f"PRAGMA busy_timeout = {int(self._patience * 1000)}")
        self._next = size + _CHECKPOINT_BYTES // 4 if busy else _CHECKPOINT_BYTES
