"""A worker whose idle processes look only every 4 s, and whose successors never load."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pulpo
from pulpo.adapters.sqlite import waiting
from pulpo.worker import loop

FOLDER = Path(os.environ["LEDGER"])

waiting._SLOW_POLL = loop.IDLE = 4.0
with open(FOLDER / "loads", "ab", buffering=0) as loads:
    loads.write(b".")
    if loads.tell() > 2:
        time.sleep(60)


@pulpo.job(type="drowsy.stays")
def stays() -> None:
    """Note who runs it; the first run stays until it is killed."""
    with open(FOLDER / "runs", "a") as runs:
        runs.write(f"{os.getpid()}\n")
        first = runs.tell() == len(f"{os.getpid()}\n")
    if first:
        time.sleep(60)
