"""A job that waits 10 ms, three at once over all workers, beside one that does nothing."""

from __future__ import annotations

import time

import pulpo
from bench.jobs import PULSE, marks
from bench.jobs.noop import noop

__all__ = ["limited", "noop"]


@pulpo.job(type="bench.limited", limit=pulpo.Limit(concurrency=3))
def limited(number: int) -> None:
    marks().begin(number)
    time.sleep(PULSE)
    marks().end(number)
