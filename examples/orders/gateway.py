"""A payment provider on a bad day, with a ledger of its own.

Like the real ones it takes a key with every charge and moves the money once a key, however often
it is asked. Every third key meets a dead line the first time; every third after that loses the
answer *after* the money moved: the case that makes people pay twice where nobody sends a key.
"""

from __future__ import annotations

import sqlite3
from pathlib import Path

SCHEMA = """
CREATE TABLE IF NOT EXISTS charge (key TEXT PRIMARY KEY, card TEXT, cents INTEGER);
CREATE TABLE IF NOT EXISTS request (key TEXT);
"""


class GatewayTimeout(Exception):
    """No answer: the money moved, or it did not."""


class CardDeclined(Exception):
    """The bank says no, and will say no again."""


def charge(ledger: Path, *, key: str, card: str, cents: int) -> None:
    """Move money once for this key; raises `GatewayTimeout` or `CardDeclined`."""
    if card.startswith("0000"):
        raise CardDeclined(f"the bank declined card ending in {card[-4:]!r}")
    db = sqlite3.connect(ledger, timeout=30)
    try:
        with db:
            db.executescript(SCHEMA)
            first = db.execute("SELECT 1 FROM request WHERE key = ?", (key,)).fetchone() is None
            db.execute("INSERT INTO request VALUES (?)", (key,))
        luck = int(key.rpartition("-")[2]) % 3
        if first and luck == 1:
            raise GatewayTimeout("no connection to the payment provider")
        with db:
            db.execute("INSERT OR IGNORE INTO charge VALUES (?, ?, ?)", (key, card, cents))
        if first and luck == 2:
            raise GatewayTimeout("the payment provider did not answer in time")
    finally:
        db.close()
