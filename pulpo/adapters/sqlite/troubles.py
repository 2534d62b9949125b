"""What errors of SQLite and of the system mean for a queue; looks at nothing but the disk."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from pulpo.errors import (
    PublishUncertainError,
    QueueError,
    QueueFullError,
    QueueUnavailableError,
    QueueUnusableError,
)
from pulpo.folders import free_bytes

__all__ = ["is_damage", "not_opened", "translated"]

# https://sqlite.org/rescode.html: the low byte says the kind.
_BUSY, _LOCKED, _READONLY, _IOERR, _CORRUPT, _FULL, _CANTOPEN = 5, 6, 8, 10, 11, 13, 14
_NOT_A_DATABASE = 26
# What SQLite writes beside a file before it can only read it: the index of its log, in steps.
_LEAST_FOR_READING = 2 * 32_768


def not_opened(error: OSError | sqlite3.Error, path: Path) -> QueueError:
    """Return what to raise where a file or a folder cannot be opened, or one file more."""
    if isinstance(error, sqlite3.Error):
        return translated(error, path)
    return QueueUnavailableError(f"cannot open the queue file ({error.strerror}): {str(path)!r}")


def is_damage(error: sqlite3.Error) -> bool:
    """Tell whether SQLite cannot read what is in the file, or part of it."""
    return getattr(error, "sqlite_errorcode", 0) & 0xFF in (_CORRUPT, _NOT_A_DATABASE)


def translated(error: sqlite3.Error, path: Path, *, committing: bool = False) -> QueueError:
    """Return what to raise instead; `committing`: the transaction's last word was being said."""
    kind = getattr(error, "sqlite_errorcode", 0) & 0xFF
    where = repr(str(path))
    if kind == _FULL:
        return QueueFullError(f"the disk of the queue file is full: {where}")
    if kind in (_BUSY, _LOCKED):
        return QueueUnavailableError(f"database is locked by another process: {where}")
    if kind == _CORRUPT:
        return QueueUnavailableError(
            "the queue file is damaged; stop every process that uses it, then copy what can be "
            "read with `pulpo doctor --salvage NEWFILE`. Usual causes: the file was copied "
            f"without its -wal, moved or linked while open, or the disk fails: {where}"
        )
    if kind == _NOT_A_DATABASE:
        return QueueUnusableError(f"not a SQLite file; pulpo leaves it as it is: {where}")
    if kind == _IOERR and committing:
        return PublishUncertainError(f"the disk failed while the queue file was synced: {where}")
    if kind in (_IOERR, _CANTOPEN) and _is_full(path.parent):
        return QueueUnavailableError(
            "the disk of the queue file is full, so that it cannot even be read; make room: "
            + where
        )
    return QueueUnavailableError(f"the queue file cannot be used ({error}): {where}")


def _is_full(folder: Path) -> bool:
    try:
        return free_bytes(folder) < _LEAST_FOR_READING
    except OSError:
        return False
