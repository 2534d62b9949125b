"""A handler that reads the queue's own files by plain open(), in the worker's process.

Each close() of such a descriptor drops all locks that SQLite has in this process on that file
(https://sqlite.org/howtocorrupt.html, section 2.2). Loaded by the workers of row O3.
"""

from __future__ import annotations

import os
from pathlib import Path

import pulpo
from tests.lab.tasks import LEDGER, note

__all__ = ["note"]

FILE = os.environ["PULPO_URL"].removeprefix("sqlite:///")


@pulpo.job(type="touching.reads")
def reads() -> None:
    """Read all three files as a careless backup does."""
    run = pulpo.current_job()
    LEDGER.note("begun", run.id, attempt=run.attempt)
    for suffix in ("", "-wal", "-shm"):
        try:
            with Path(FILE + suffix).open("rb") as file:
                file.read()
        except FileNotFoundError:
            continue
    LEDGER.note("done", run.id, attempt=run.attempt)
