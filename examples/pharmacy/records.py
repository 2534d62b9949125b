"""Patient records in one SQLite file: what a patient takes, and what the checks found."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

OUT = Path(os.environ.get("EXAMPLES_OUT", "out"), "pharmacy")

SCHEMA = """
PRAGMA journal_mode = WAL;
CREATE TABLE IF NOT EXISTS patient (mrn TEXT PRIMARY KEY, name TEXT);
CREATE TABLE IF NOT EXISTS taking (mrn TEXT, drug TEXT, PRIMARY KEY (mrn, drug));
CREATE TABLE IF NOT EXISTS allergy (mrn TEXT, substance TEXT, PRIMARY KEY (mrn, substance));
CREATE TABLE IF NOT EXISTS checked (
    nr INTEGER PRIMARY KEY, order_number TEXT UNIQUE, mrn TEXT, drug TEXT, decision TEXT);
CREATE TABLE IF NOT EXISTS finding (
    order_number TEXT, severity TEXT, text TEXT, PRIMARY KEY (order_number, text));
INSERT OR IGNORE INTO patient VALUES
    ('100234', 'Anna Weber'), ('100771', 'Luis Prieto'), ('101055', 'Mary Okafor');
INSERT OR IGNORE INTO taking VALUES
    ('100234', 'warfarin'), ('100771', 'simvastatin'), ('100771', 'lisinopril'),
    ('101055', 'isosorbide');
INSERT OR IGNORE INTO allergy VALUES ('101055', 'penicillins');
"""


def create() -> None:
    """Make the records and their three patients, where that is not done yet."""
    OUT.mkdir(parents=True, exist_ok=True)
    db = sqlite3.connect(OUT / "records.db")
    db.executescript(SCHEMA)
    db.close()


@contextmanager
def transaction() -> Iterator[sqlite3.Connection]:
    """One write transaction; an error rolls it back."""
    db = sqlite3.connect(OUT / "records.db", timeout=30, isolation_level=None)
    try:
        db.execute("BEGIN IMMEDIATE")
        yield db
        db.execute("COMMIT")
    finally:
        db.close()


def is_checked(db: sqlite3.Connection, number: str) -> bool:
    """Tell whether an order has its result already."""
    query = "SELECT 1 FROM checked WHERE order_number = ?"
    return db.execute(query, (number,)).fetchone() is not None


def known(db: sqlite3.Connection, mrn: str) -> tuple[Sequence[str], Sequence[str]] | None:
    """Return what a patient takes and is allergic to; None for a patient nobody knows."""
    if db.execute("SELECT 1 FROM patient WHERE mrn = ?", (mrn,)).fetchone() is None:
        return None
    taking = db.execute("SELECT drug FROM taking WHERE mrn = ?", (mrn,)).fetchall()
    allergies = db.execute("SELECT substance FROM allergy WHERE mrn = ?", (mrn,)).fetchall()
    return [row[0] for row in taking], [row[0] for row in allergies]
