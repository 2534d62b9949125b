"""What workers cost while there is nothing to do."""

from __future__ import annotations

import time
from contextlib import closing
from pathlib import Path

from bench.family import cpu_seconds, pss_mb
from bench.marks import Marks
from bench.measure import warm_up
from bench.sides import Side, Staff
from bench.timing import Sample

__all__ = ["idle"]

_REST = 1.5  # seconds after the last job; after that, nothing of it is left to do


def idle(side: Side, folder: Path, n: int) -> Sample:
    """Two processes that have run a job, after a rest; watched for `n` ms."""
    path = folder / "marks"
    with (
        closing(Marks.create(path, 1)) as marks,
        side.workers(path, Staff(processes=2)) as crew,
    ):
        warm_up(side, marks, 0, crew)
        time.sleep(min(_REST, n / 1000))
        pids = crew.pids()
        used, since = cpu_seconds(pids), time.monotonic()
        time.sleep(n / 1000)
        share = (cpu_seconds(pids) - used) / (time.monotonic() - since)
        return {"MB": pss_mb(pids), "CPU %": max(0.0, share * 100)}
