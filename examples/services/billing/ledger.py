"""The billing service: writes charges into a ledger, once a parcel."""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path

import pulpo

OUT = Path(os.environ.get("EXAMPLES_OUT", "out"), "services")


def charge(message: pulpo.Message) -> pulpo.Outcome | None:
    """Handle `billing.charge`: body {parcel, cents, kilometres}."""
    body = message.body
    if not isinstance(body, dict) or not {"parcel", "cents"} <= body.keys():
        return pulpo.Bury(f"not a charge: {body!r}")
    OUT.mkdir(parents=True, exist_ok=True)
    db = sqlite3.connect(OUT / "ledger.db", timeout=30)
    try:
        with db:
            db.execute("CREATE TABLE IF NOT EXISTS charge (parcel TEXT PRIMARY KEY, cents INTEGER)")
            db.execute(
                "INSERT OR IGNORE INTO charge VALUES (?, ?)", (body["parcel"], body["cents"])
            )
    finally:
        db.close()
    return None
