"""A job type with a limit over all workers; it notes when it is entered and when it is left.

Whoever loads this module has the types of `tests.lab.tasks` as well, which have no limit.
"""

from __future__ import annotations

import os
import time

import pulpo
from tests.lab.crowd import SLOTS
from tests.lab.tasks import LEDGER

__all__ = ["limited"]


@pulpo.job(type="ledger.limited", limit=pulpo.Limit(concurrency=SLOTS))
def limited(seconds: float = 0.0) -> None:
    """Take some time, in one of the slots."""
    run = pulpo.current_job()
    # A suspect runs in a child of the process that has its slot, and dies with it.
    LEDGER.note("begun", run.id, attempt=run.attempt, parent=os.getppid())
    time.sleep(seconds)
    LEDGER.note("done", run.id, attempt=run.attempt)
