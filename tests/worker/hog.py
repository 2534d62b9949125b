"""A job type that keeps what it takes: each run makes its process 20 MB bigger."""

from __future__ import annotations

import time

import pulpo
from tests.lab import tasks

TAKEN: list[bytes] = []


@pulpo.job(type="hog")
def hog(seconds: float = 0.0) -> None:
    run = tasks.begin()
    TAKEN.append(bytes(b"x" * 20_000_000))
    time.sleep(seconds)
    tasks.LEDGER.note("done", run.id, attempt=run.attempt)
