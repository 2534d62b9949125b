"""How well jobs that wait are run side by side."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

from bench.jobs import SLEEP, SLEEP_ASYNC
from bench.marks import Marks
from bench.measure import await_jobs, check_once
from bench.sides import Side, Staff
from bench.timing import Sample

__all__ = ["coroutines", "threads"]


def threads(side: Side, folder: Path, n: int) -> Sample:
    """Two processes of 50 threads; from the first job's start to the last one's end."""
    return _asleep(side, folder, n, Staff(job=SLEEP, processes=2, slots=50))


def coroutines(side: Side, folder: Path, n: int) -> Sample:
    """Two processes that run 100 coroutines at once."""
    return _asleep(side, folder, n, Staff(job=SLEEP_ASYNC, processes=2, slots=100))


def _asleep(side: Side, folder: Path, n: int, staff: Staff) -> Sample:
    side.batches(0, n, job=staff.job)()
    path = folder / "marks"
    with closing(Marks.create(path, n)) as marks:
        with side.workers(path, staff) as crew:
            await_jobs(marks, n, crew)
        check_once(marks)
        return {"ms": (max(marks.ends(n)) - min(marks.starts(n))) / 1e6}
