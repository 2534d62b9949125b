"""Whether jobs with a limit slow down those without, which are in the same queue behind them."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

from bench.beside_side import BesideSide
from bench.jobs import LIMITED
from bench.marks import Marks
from bench.measure import await_jobs, check_once
from bench.sides import Side, Staff
from bench.timing import Sample

__all__ = ["unlimited"]

# At three at once and 10 ms each they are at work for half a second, about as long as the others.
_LIMITED = 150


def unlimited(side: Side, folder: Path, n: int) -> Sample:
    """All queued first, those with a limit in front: the rate of those without."""
    assert isinstance(side, BesideSide)
    beside = side.put_limited(n, min(_LIMITED, n))
    side.batches(0, n)()
    path = folder / "marks"
    with closing(Marks.create(path, n + beside)) as marks:
        with side.workers(path, Staff(job=LIMITED)) as crew:
            await_jobs(marks, n + beside, crew)
        starts = marks.starts(n)
        check_once(marks)
    return {"jobs/s": max(1, n - 1) / max(1, max(starts) - min(starts)) * 1e9}
