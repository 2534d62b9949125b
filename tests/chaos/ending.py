"""How a story of kills ends: everything done, everybody gone, no lock left over.

Knows what the lab's places and workers are, nothing of any fault.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pulpo.system import is_locked
from tests.chaos.trial import Trial
from tests.lab.place import Place
from tests.lab.processes import WorkerProcess, until, users_of

__all__ = ["end_well", "integrity", "leaves_nothing", "unsettled"]

# What a dead worker started has so long, in seconds, to follow it.
FOLLOWS = 3.0


def end_well(
    trial: Trial, place: Place, workers: Sequence[WorkerProcess], *, patience: float = 120.0
) -> None:
    """Let the last workers do what is left, and stop them."""
    place.wait_until_all_done(patience=patience)
    # What was done and not settled when its worker died runs once more.
    place.wait_until_empty(patience=patience)
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
        _leaves_no_lock(trial, place)


def _leaves_no_lock(trial: Trial, place: Place) -> None:
    side = place.folder / "queue.db.d"
    locked = [path.name for path in side.iterdir() if path.is_file() and is_locked(path)]
    trial.must(not locked, f"locks are left over: {locked}")
    if list(side.glob("owner-*")):
        # Of somebody who died last and held no job: whoever works next clears it away.
        trial.count("marks for the next one to clear", len(list(side.glob("owner-*"))))
        place.published(place.produce(1, 1))
        with place.worker("--burst", "--processes", "1") as next_one:
            trial.must(next_one.wait(60) == 0, "a burst ends well")
        left = sorted(path.name for path in side.glob("owner-*"))
        trial.must(not left, f"marks of owners are left over: {left}")


def integrity(path: Path) -> str:
    """Return what SQLite says of a queue file's pages and indexes: `ok`."""
    connection = sqlite3.connect(path, timeout=30)
    try:
        found: str = connection.execute("PRAGMA integrity_check(1)").fetchone()[0]
    finally:
        connection.close()
    return found


def unsettled(jobs: list[dict[str, Any]]) -> list[str]:
    """Return what is not buried; but a copy whose burial was cut waits, and has been seen to."""
    buried = {job["id"] for job in jobs if job["state"] == "buried"}
    return [
        job["id"]
        for job in jobs
        if job["state"] in ("ready", "reserved")
        or (job["state"] == "delayed" and job["id"] not in buried)
    ]
