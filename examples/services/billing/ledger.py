"""The billing service: writes charges into a ledger, once a parcel."""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path

import pulpo

OUT = Path(os.environ.get("EXAMPLES_OUT", "out"), "services")


def charge(message: pulpo.Message) -> pulpo.Outcome | None:
    """Handle `billing.charge`: body {parcel, cents, ...}."""
    match message.body:
        case {"parcel": str(parcel), "cents": int(cents)}:
            write_down(parcel, cents)
            return None
    return pulpo.Bury(f"not a charge: {message.body!r}")


def write_down(parcel: str, cents: int) -> None:
    """Enter a charge into the ledger, unless it is there."""
    OUT.mkdir(parents=True, exist_ok=True)
    db = sqlite3.connect(OUT / "ledger.db", timeout=30)
    try:
        with db:
            db.execute("CREATE TABLE IF NOT EXISTS charge (parcel TEXT PRIMARY KEY, cents INTEGER)")
            db.execute("INSERT OR IGNORE INTO charge VALUES (?, ?)", (parcel, cents))
    finally:
        db.close()
