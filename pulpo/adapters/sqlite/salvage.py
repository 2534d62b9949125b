"""Copying what can be read of a damaged queue file into a new one; the old one stays as it is.

Reads only through SQLite, row by row, and steps over what it cannot read; what the table does not
lead to any more is looked for page by page in `dredging.py`. Knows nothing of why the file is
damaged.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from pulpo.adapters.sqlite.database import Database, Ready
from pulpo.adapters.sqlite.dredging import Key, dredge
from pulpo.adapters.sqlite.place import check_file, side_folder
from pulpo.adapters.sqlite.rows import Moment, State
from pulpo.adapters.sqlite.troubles import is_damage, translated
from pulpo.clock import Clock
from pulpo.errors import QueueUnavailableError, UnsupportedError, UsageError
from pulpo.identity import check_id, check_priority, check_queue, check_type
from pulpo.system import is_locked

__all__ = ["Salvaged", "salvage"]

_COLUMNS = "id, type, queue, priority, state, moment, due_wall, crashes, ttr, expires, body"
_FROM = f"SELECT number, {_COLUMNS} FROM jobs NOT INDEXED WHERE number >= ? ORDER BY number"
# With their numbers: they keep their order. Two rows of one number are damage, so one must do.
_INSERT = f"INSERT OR IGNORE INTO jobs (number, {_COLUMNS}) VALUES ({', '.join('?' * 12)})"
_KEYS = "SELECT number, id FROM jobs INDEXED BY ids ORDER BY id"
_PAUSES = "SELECT queue, until FROM pauses"
_PAUSE = "INSERT OR REPLACE INTO pauses (queue, until, moment) VALUES (?, ?, ?)"
_AT_ONCE = 500
# A damaged page holds fewer rows than this: up to here each number is tried.
_SMALL_STEPS = 2_000
_LAST_NUMBER = 2**62
_LONGEST = 1e12
# What the table of a new file takes.
_MOST_CRASHES = 1_000_000

# Its number, then _COLUMNS; of a damaged file, so anything may stand anywhere.
_Row = tuple[Any, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Salvaged:
    """How many jobs were copied, and the ids of those that are known to be lost.

    `unsound` rows could be read and made no sense. `complete` is false where the list of ids was
    damaged too, so that nobody knows how many are lost.
    """

    copied: int
    lost: Sequence[str]
    unsound: int
    complete: bool


def salvage(path: Path, copy: Path, clock: Clock) -> Salvaged:
    """Copy every job that can be read; jobs that were being run are ready in the copy.

    Raises `UsageError` where `copy` exists, `UnsupportedError` while a worker uses the file,
    `QueueUnavailableError` where nothing of it can be read.
    """
    if os.path.lexists(copy):
        raise UsageError(f"--salvage needs the name of a file that is not there yet: {str(copy)!r}")
    _check(path)
    database = Database(copy, durable=True, clock=clock, beat=lambda: None)
    try:
        # Read-only: not even a checkpoint of its log goes into the damaged file.
        with closing(_opened(path)) as old:
            return _copy(old, database, Moment.now(clock))
    except sqlite3.Error as error:
        raise translated(error, path) from error
    finally:
        database.close()


def _check(path: Path) -> None:
    try:
        check_file(path)
        owners = [found for found in side_folder(path).glob("owner-*") if is_locked(found)]
    except OSError as error:
        raise QueueUnavailableError(f"cannot open {str(path)!r}: {error.strerror}") from error
    if owners:
        raise UnsupportedError(
            f"a worker still uses the queue file; stop every process that does: {str(path)!r}"
        )


def _opened(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(
        f"file:{quote(str(path))}?mode=ro", uri=True, timeout=5.0, isolation_level=None
    )
    connection.execute("PRAGMA trusted_schema = OFF").fetchall()
    connection.execute("PRAGMA cell_size_check = ON").fetchall()
    # Whatever a damaged row holds as text, its neighbours are to be read.
    connection.text_factory = lambda data: data.decode("utf-8", "replace")
    try:
        connection.execute("SELECT number FROM jobs LIMIT 0").fetchall()
    except sqlite3.Error as error:
        connection.close()
        raise QueueUnavailableError(
            f"nothing of {str(path)!r} can be read by SQLite ({error}); sqlite3's own .recover may "
            "find more"
        ) from error
    return connection


def _copy(old: sqlite3.Connection, database: Database, now: Moment) -> Salvaged:
    copied, unsound = _take(_readable(old), database, now)
    known, complete = _known(old)
    hidden = known - copied - unsound
    if hidden:
        scratch = database.path.with_name(database.path.name + ".pages")
        found, odd = _take(dredge(old, scratch, hidden, _COLUMNS), database, now)
        copied, unsound = copied | found, unsound | odd
    _write(database, _PAUSE, _pauses(old, now))
    return Salvaged(
        copied=len(copied),
        lost=sorted(name for _, name in known - copied),
        unsound=len(unsound),
        complete=complete,
    )


def _take(rows: Iterator[_Row], database: Database, now: Moment) -> tuple[set[Key], set[Key]]:
    """Write the rows that make sense; return their keys, and those of rows that make none."""
    copied: set[Key] = set()
    unsound: set[Key] = set()
    batch: list[_Row] = []
    for row in rows:
        if not _is_sound(row):
            unsound.add((row[0], str(row[1])))
            continue
        copied.add((row[0], row[1]))
        batch.append(_settled(row, now))
        if len(batch) == _AT_ONCE:
            _write(database, _INSERT, batch)
            batch = []
    _write(database, _INSERT, batch)
    return copied, unsound


def _write(database: Database, statement: str, rows: Sequence[tuple[object, ...]]) -> None:
    def write(connection: sqlite3.Connection, _: Ready) -> None:
        connection.executemany(statement, rows)

    database.write(write, synced=True)


# Reading


def _readable(old: sqlite3.Connection) -> Iterator[_Row]:
    """Yield every row that SQLite can read, in the order of their numbers."""
    start: int | None = -_LAST_NUMBER
    while start is not None:
        last = start
        try:
            for row in old.execute(_FROM, (start,)):
                last = row[0] + 1
                yield row
            return
        except sqlite3.Error as error:
            if not is_damage(error):
                raise
        start = _next_readable(old, last)


def _next_readable(old: sqlite3.Connection, number: int) -> int | None:
    """Return the first number behind a damaged place from which rows can be read, or None."""
    tried, step = max(number, 0), 1
    for count in range(1_000_000):
        if tried > _LAST_NUMBER:
            return None
        tried += step
        if _reads(old, tried):
            return _first(old, tried - step, tried)
        if count > _SMALL_STEPS:
            step *= 2
    return None


def _first(old: sqlite3.Connection, bad: int, good: int) -> int:
    while good - bad > 1:
        middle = (bad + good) // 2
        if _reads(old, middle):
            good = middle
        else:
            bad = middle
    return good


def _reads(old: sqlite3.Connection, number: int) -> bool:
    try:
        old.execute(_FROM + " LIMIT 1", (number,)).fetchone()
    except sqlite3.Error:
        return False
    return True


def _pauses(old: sqlite3.Connection, now: Moment) -> list[tuple[object, ...]]:
    try:
        found = old.execute(_PAUSES).fetchall()
    except sqlite3.Error:
        return []
    return [
        (queue, until, None if until is None else until - now.wall + now.boot)
        for queue, until in found
        if _is_name(queue) and _is_time(until)
    ]


def _known(old: sqlite3.Connection) -> tuple[set[Key], bool]:
    """Return the keys in the index of ids, and whether all of it could be read."""
    known: set[Key] = set()
    try:
        for number, name in old.execute(_KEYS):
            known.add((number, str(name)))
    except sqlite3.Error:
        return known, False
    return known, True


# Judging rows


def _is_sound(row: _Row) -> bool:
    _, name, type, queue, priority, state, moment, due_wall, crashes, ttr, expires, body = row
    try:
        check_id(name)
        check_type(type)
        check_priority(priority)
        State(state)
    except ValueError:  # a UsageError too
        return False
    times = all(_is_time(value) for value in (moment, due_wall, expires))
    counted = isinstance(crashes, int) and abs(crashes) <= _MOST_CRASHES
    numbers = counted and _is_time(ttr) and bool(ttr)
    return times and numbers and _is_name(queue) and isinstance(body, bytes)


def _is_name(queue: object) -> bool:
    try:
        check_queue(queue)
    except UsageError:
        return False
    return True


def _is_time(value: object) -> bool:
    return value is None or (isinstance(value, int | float) and 0 <= value < _LONGEST)


def _settled(row: _Row, now: Moment) -> _Row:
    """Return the row as one that nobody holds, on the clock of this boot."""
    number, name, type, queue, priority, state, moment, due_wall, *rest = row
    if state == State.DELAYED and due_wall is not None:
        moment = due_wall - now.wall + now.boot
    elif state == State.BURIED:
        moment = now.wall if moment is None else moment
    elif state != State.SCHEDULED or moment is None:
        state, moment, due_wall = State.READY, None, None
    return number, name, type, queue, priority, int(state), moment, due_wall, *rest
