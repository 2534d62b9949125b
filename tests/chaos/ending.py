"""How a story of kills ends: everything done, everybody gone, no lock left over.

Knows what the lab's places and workers are, nothing of any fault.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from pathlib import Path

from pulpo.system import is_locked
from tests.chaos.trial import Trial
from tests.lab.place import Place
from tests.lab.processes import WorkerProcess, until, users_of

__all__ = ["end_well", "integrity", "leaves_nothing"]

# What a dead worker started has so long, in seconds, to follow it.
FOLLOWS = 3.0


def end_well(
    trial: Trial, place: Place, workers: Sequence[WorkerProcess], *, patience: float = 120.0
) -> None:
    """Let the last workers do what is left, and stop them."""
    place.wait_until_all_done(patience=patience)
    codes = [worker.ready().stop(timeout=60) for worker in workers]
    trial.must(not any(codes), f"workers ended with {codes}")
    buried = place.stats()["buried"]
    trial.must(not buried, f"{buried} jobs were buried that did nothing wrong")
    leaves_nothing(trial, place)


def leaves_nothing(trial: Trial, place: Place) -> None:
    """Require that no process, no lock and no mark of an owner is left over."""
    try:
        until(lambda: not users_of(place.ledger.folder), "no orphans", patience=FOLLOWS)
    except AssertionError:
        trial.must(False, f"orphans live on: {users_of(place.ledger.folder)}")
    if place.server is None:
        side = place.folder / "queue.db.d"
        owners = sorted(path.name for path in side.glob("owner-*"))
        trial.must(not owners, f"marks of owners are left over: {owners}")
        locked = [path.name for path in side.iterdir() if path.is_file() and is_locked(path)]
        trial.must(not locked, f"locks are left over: {locked}")


def integrity(path: Path) -> str:
    """Return what SQLite says of a queue file's pages and indexes: `ok`."""
    connection = sqlite3.connect(path, timeout=30)
    try:
        found: str = connection.execute("PRAGMA integrity_check(1)").fetchone()[0]
    finally:
        connection.close()
    return found
