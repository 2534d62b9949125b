"""The job types that keep the ledger; a worker loads this module, a producer publishes to it.

The ledger's folder is the environment's `LEDGER`.
"""

from __future__ import annotations

import asyncio
import os
import time
from pathlib import Path

import pulpo
from tests.lab.ledger import Ledger

FOLDER = Path(os.environ["LEDGER"])
LEDGER = Ledger(FOLDER)
GATE = FOLDER / "gate"


def begin() -> pulpo.Run:
    """Note that a run has begun, and how often pulpo thinks it has."""
    run = pulpo.current_job()
    LEDGER.note("begun", run.id, attempt=run.attempt, priority=run.priority, queue=run.queue)
    return run


@pulpo.job(type="ledger.note")
def note(seconds: float = 0.0) -> None:
    """Take some time."""
    run = begin()
    if seconds:
        time.sleep(seconds)
    LEDGER.note("done", run.id, attempt=run.attempt)


@pulpo.job(type="ledger.anote")
async def anote(seconds: float = 0.0) -> None:
    """Take some time on the event loop."""
    run = begin()
    await asyncio.sleep(seconds)
    LEDGER.note("done", run.id, attempt=run.attempt)


@pulpo.job(type="ledger.gated")
def gated() -> None:
    """Take as long as the test wants."""
    run = begin()
    while not GATE.exists():
        time.sleep(0.02)
    LEDGER.note("done", run.id, attempt=run.attempt)


@pulpo.job(type="ledger.flaky", backoff=0)
def flaky(seconds: float = 0.0) -> None:
    """Fail at the first attempt, succeed at the second."""
    run = begin()
    time.sleep(seconds)
    if run.attempt == 1:
        raise ConnectionError("not at the first attempt")
    LEDGER.note("done", run.id, attempt=run.attempt)


@pulpo.job(type="ledger.fatal")
def fatal(seconds: float = 0.0) -> None:
    """Fail for good."""
    begin()
    time.sleep(seconds)
    raise pulpo.FatalError("not in this life")
