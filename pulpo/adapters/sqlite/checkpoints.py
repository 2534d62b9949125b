"""Keeping the write-ahead log small: when it is moved into the file, and by whom.

Knows the connection and the log, no jobs.
"""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path

__all__ = ["Checkpoints"]

_CHECKPOINT_BYTES = 4 * 2**20
# How many transactions, or changed rows, may pass before somebody looks how long the log is.
_COMMITS_BETWEEN_LOOKS = 32
_ROWS_BETWEEN_LOOKS = 1_000

# https://sqlite.org/fileformat2.html#walformat: sizes, and where in a header what stands.
_HEADER, _PAGE_SIZE, _ROUND = 32, slice(8, 12), slice(16, 24)
_FRAME_HEADER, _ROUND_OF_FRAME = 24, slice(8, 16)


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
        if _is_longer(self._wal, self._next):
            self._checkpoint(connection)

    def _checkpoint(self, connection: sqlite3.Connection) -> None:
        """Move the log into the file, while we keep every writer out.

        SQLite before 3.51.3 may corrupt a file when two checkpoints race with a commit that
        resets the log (https://sqlite.org/wal.html, section 11): here nothing races.
        """
        connection.execute("PRAGMA busy_timeout = 0")  # a reader in the way: later, not 5 s now
        try:
            busy, _, _ = connection.execute("PRAGMA wal_checkpoint(RESTART)").fetchone()
        except sqlite3.Error:  # no room on the disk, or locked: what is committed stays so
            busy = 1
        finally:
            connection.execute(f"PRAGMA busy_timeout = {int(self._patience * 1000)}")
        self._next = self._next + _CHECKPOINT_BYTES // 4 if busy else _CHECKPOINT_BYTES


def _is_longer(wal: Path, size: int) -> bool:
    """Tell whether the log of the present round is longer than so many bytes.

    The file's own size does not say it: a new round begins at the start of the file again and
    leaves the rest as it was. But each frame bears the mark of its round. SQLite has no locks on
    this file, so unlike the other two it may be opened beside SQLite.
    """
    try:
        fd = os.open(wal, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
    except OSError:
        return False
    try:
        header = os.pread(fd, _HEADER, 0)
        if len(header) < _HEADER:
            return False
        frame = _FRAME_HEADER + int.from_bytes(header[_PAGE_SIZE], "big")
        found = os.pread(fd, _FRAME_HEADER, _HEADER + size // frame * frame)
        return found[_ROUND_OF_FRAME] == header[_ROUND]
    except OSError:
        return False
    finally:
        os.close(fd)
