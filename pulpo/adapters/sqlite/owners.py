"""Who holds jobs, and whether it still lives: a locked file and a row for each.

The kernel frees the lock of a process that dies, whatever killed it, and keeps the lock of one
that is only frozen. Knows nothing of jobs.
"""

from __future__ import annotations

import contextlib
import secrets
import sqlite3
from collections.abc import Iterable
from pathlib import Path

from pulpo.adapters.sqlite.doorbells import SLOTS
from pulpo.system import FileLock, is_locked

__all__ = ["Owner", "bury_owners", "bury_strays", "dead_among"]

_PREFIX = "owner-"
_ENTER = "INSERT INTO owners (name, slot) VALUES (?, ?)"
_LEAVE = "DELETE FROM owners WHERE number = ?"
_SLOTS = "SELECT slot FROM owners WHERE slot IS NOT NULL"
_NAMES = "SELECT name FROM owners"
_NAME = "SELECT name FROM owners WHERE number = ?"


class Owner:
    """One adapter as a holder of jobs; one thread.

    `number` is what the rows of its jobs say, `slot` its doorbell's, None where all are taken.
    """

    def __init__(self, side: Path) -> None:
        self.number = 0
        self.slot: int | None = None
        # Before the row: whoever finds the row must find the lock held.
        self._name, self._lock = _new_lock(side)

    def enter(self, connection: sqlite3.Connection) -> None:
        """Write the row of this owner."""
        taken = {slot for (slot,) in connection.execute(_SLOTS)}
        self.slot = next((slot for slot in range(SLOTS) if slot not in taken), None)
        cursor = connection.execute(_ENTER, (self._name, self.slot))
        assert cursor.lastrowid is not None
        self.number = cursor.lastrowid

    def leave(self, connection: sqlite3.Connection) -> None:
        """Remove the row of this owner."""
        connection.execute(_LEAVE, (self.number,))

    def close(self) -> None:
        """Let the lock go; only after the jobs were given back."""
        with contextlib.suppress(OSError):
            self._lock.path.unlink()
        self._lock.release()

    def abandon(self) -> None:
        """Let only the lock go, as death would."""
        self._lock.release()


def dead_among(connection: sqlite3.Connection, side: Path, numbers: Iterable[int]) -> list[int]:
    """Return which of these owners live no more."""
    return [number for number in numbers if not _lives(connection, side, number)]


def bury_owners(connection: sqlite3.Connection, side: Path, numbers: Iterable[int]) -> None:
    """Remove rows and lock files of dead owners; only after their jobs were taken back."""
    for number in numbers:
        for (name,) in connection.execute(_NAME, (number,)).fetchall():
            with contextlib.suppress(OSError):
                _path(side, name).unlink()
        connection.execute(_LEAVE, (number,))


def bury_strays(connection: sqlite3.Connection, side: Path) -> None:
    """Remove lock files without a row: of owners that died before they had written it."""
    known = {name for (name,) in connection.execute(_NAMES)}
    for path in side.glob(f"{_PREFIX}*"):
        if path.name.removeprefix(_PREFIX) in known:
            continue
        lock = FileLock(path)
        # Locked while it goes: one that is just being born sees that, and takes another name.
        with contextlib.suppress(OSError):
            if lock.acquire(wait=False):
                path.unlink()
        lock.release()


def _new_lock(side: Path) -> tuple[str, FileLock]:
    while True:
        name = secrets.token_hex(16)
        lock = FileLock(_path(side, name))
        if lock.acquire(wait=False) and lock.is_current():
            return name, lock
        lock.release()


def _lives(connection: sqlite3.Connection, side: Path, number: int) -> bool:
    found = connection.execute(_NAME, (number,)).fetchone()
    if found is None:
        return False
    try:
        return is_locked(_path(side, found[0]))
    except OSError:  # too many open files here: who cannot be asked keeps its jobs
        return True


def _path(side: Path, name: str) -> Path:
    return side / f"{_PREFIX}{name}"
