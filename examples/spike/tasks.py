"""A concert goes on sale: a thousand people at once, sixty seats, members first.

A seat belongs to the job that took it: the job's id is the key, so a run that is repeated finds
its own seat again instead of taking a second one.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import sqlite3
from pathlib import Path

import pulpo

OUT = Path(os.environ.get("EXAMPLES_OUT", "out"), "spike")
SEATS = 60
SECRET = b"printed at the door"

SCHEMA = """
PRAGMA journal_mode = WAL;
CREATE TABLE IF NOT EXISTS ticket (
    seat INTEGER PRIMARY KEY, job TEXT UNIQUE, buyer TEXT, member INTEGER, code TEXT);
"""


@pulpo.job(type="spike.sell", queue="spike", expires="10m")
def sell(buyer: str, *, member: bool = False) -> pulpo.Cancel | None:
    """Sell the next free seat to one buyer."""
    job = pulpo.current_job()
    db = sqlite3.connect(OUT / "tickets.db", timeout=30, isolation_level=None)
    try:
        db.execute("BEGIN IMMEDIATE")
        if db.execute("SELECT 1 FROM ticket WHERE job = ?", (job.id,)).fetchone():
            return None
        seat = db.execute("SELECT COALESCE(MAX(seat), 0) + 1 FROM ticket").fetchone()[0]
        if seat > SEATS:
            return pulpo.Cancel("sold out")
        code = hmac.new(SECRET, f"{seat}/{buyer}".encode(), hashlib.sha256).hexdigest()[:12]
        db.execute("INSERT INTO ticket VALUES (?, ?, ?, ?, ?)", (seat, job.id, buyer, member, code))
        db.execute("COMMIT")
    finally:
        db.close()
    return None
