"""Comments that wait to be told about, in one SQLite file."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

OUT = Path(os.environ.get("EXAMPLES_OUT", "out"), "digest")

SCHEMA = """
PRAGMA journal_mode = WAL;
CREATE TABLE IF NOT EXISTS note (
    id INTEGER PRIMARY KEY, recipient TEXT, text TEXT, digest TEXT);
CREATE INDEX IF NOT EXISTS note_digest ON note (recipient, digest);
CREATE TABLE IF NOT EXISTS promised (recipient TEXT PRIMARY KEY);
"""


def create() -> None:
    """Make the database, where that is not done yet."""
    OUT.mkdir(parents=True, exist_ok=True)
    db = sqlite3.connect(OUT / "notes.db")
    db.executescript(SCHEMA)
    db.close()


@contextmanager
def transaction() -> Iterator[sqlite3.Connection]:
    """One write transaction; an error rolls it back."""
    db = sqlite3.connect(OUT / "notes.db", timeout=30, isolation_level=None)
    try:
        db.execute("BEGIN IMMEDIATE")
        yield db
        db.execute("COMMIT")
    finally:
        db.close()
