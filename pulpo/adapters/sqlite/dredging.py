"""Finding rows of a damaged queue file that no way through the table leads to any more.

One bad page in the upper floors of a table hides all rows below it, though their own pages are
whole. So in a copy of the file each page in turn is called the root of the table, and SQLite reads
what is on it. A page that is no longer in use may hold rows as they were long ago: only rows that
the index of ids still knows are taken, in their latest version.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
from collections.abc import Collection, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

__all__ = ["Key", "dredge"]

# The number and the id of a row.
Key = tuple[int, str]

_VERSIONS = "SELECT number, id, fence FROM jobs NOT INDEXED"
_MOVE_ROOT = "UPDATE sqlite_schema SET rootpage = ? WHERE type = 'table' AND name = 'jobs'"


def dredge(
    old: sqlite3.Connection, scratch: Path, wanted: Collection[Key], columns: str
) -> Iterator[tuple[Any, ...]]:
    """Yield the wanted rows that are on any page, each once; the number, then the columns.

    `scratch` is where a copy of the whole file is made, and removed at the end. Where that fails,
    the disk being full for example, nothing is found.
    """
    with contextlib.suppress(sqlite3.Error, OSError):
        try:
            _copy(old, scratch)
            # Opened anew: a schema that was read before the copy is not to be trusted.
            with closing(sqlite3.connect(scratch, isolation_level=None)) as pages:
                pages.text_factory = old.text_factory
                pages.execute("PRAGMA journal_mode = OFF").fetchall()
                yield from _rows(pages, _best(pages, set(wanted)), columns)
        finally:
            for beside in ("", "-wal", "-shm", "-journal"):
                scratch.with_name(scratch.name + beside).unlink(missing_ok=True)


def _copy(old: sqlite3.Connection, scratch: Path) -> None:
    # Made by us, for us alone, before SQLite opens it: it holds the bodies of all jobs.
    os.close(os.open(scratch, os.O_CREAT | os.O_EXCL | os.O_RDWR | os.O_CLOEXEC, 0o600))
    with closing(sqlite3.connect(scratch, isolation_level=None)) as pages:
        old.backup(pages)  # page by page, its log included, whatever is on them


def _best(pages: sqlite3.Connection, wanted: set[Key]) -> dict[int, set[Key]]:
    """Return which rows to take from which page: of several versions the one with most runs."""
    found: dict[Key, tuple[int, int]] = {}
    last = pages.execute("PRAGMA page_count").fetchone()[0]
    for page in range(2, last + 1):
        for number, name, fence in _read(pages, page, _VERSIONS):
            key = (number, name)
            if key in wanted and isinstance(fence, int):
                found[key] = max(found.get(key, (-1, 0)), (fence, page))
    best: dict[int, set[Key]] = {}
    for key, (_, page) in found.items():
        best.setdefault(page, set()).add(key)
    return best


def _rows(
    pages: sqlite3.Connection, best: dict[int, set[Key]], columns: str
) -> Iterator[tuple[Any, ...]]:
    for page, keys in best.items():
        for row in _read(pages, page, f"SELECT number, {columns} FROM jobs NOT INDEXED"):
            # A page of an upper floor leads to others: each row once.
            if (row[0], row[1]) in keys:
                keys.discard((row[0], row[1]))
                yield row


def _read(pages: sqlite3.Connection, page: int, query: str) -> Iterator[tuple[Any, ...]]:
    """Yield what a query finds with the table's root at a page, up to the first bad place."""
    pages.execute("PRAGMA writable_schema = ON")
    pages.execute(_MOVE_ROOT, (page,))
    pages.execute("PRAGMA writable_schema = RESET")
    with contextlib.suppress(sqlite3.Error):
        yield from pages.execute(query)
