"""How long programs take before they are of use: a worker, and one that publishes a single job."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path
from statistics import median

from bench.crew import ROOT
from bench.marks import Marks
from bench.measure import await_jobs
from bench.sides import Side, Staff
from bench.timing import Sample

__all__ = ["boot", "first_delay", "first_publish"]


def boot(side: Side, folder: Path, n: int) -> Sample:
    """`n` jobs wait; from starting the worker's program to the start of the first one."""
    path = folder / "marks"
    side.batches(0, n)()
    with closing(Marks.create(path, n)) as marks:
        start = time.monotonic_ns()
        with side.workers(path, Staff(processes=2)) as crew:
            await_jobs(marks, n, crew)
        return {"ms": (min(marks.starts(n)) - start) / 1e6}


def first_publish(side: Side, folder: Path, n: int) -> Sample:
    """Import and one message; `n` programs, each beside one that does nothing."""
    del folder
    return _over_nothing(side.first_put(decorated=False), side, n)


def first_delay(side: Side, folder: Path, n: int) -> Sample:
    """The same with a decorated function."""
    del folder
    return _over_nothing(side.first_put(decorated=True), side, n)


def _over_nothing(program: str, side: Side, n: int) -> Sample:
    environment = {**os.environ, "PULPO_URL": side.producer()[1]}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)  # the first run compiles, for all others
    _wall_ms(program, environment)
    both = [(_wall_ms(program, environment), _wall_ms("pass", environment)) for _ in range(n)]
    return {"ms": max(0.01, median([whole - nothing for whole, nothing in both]))}


def _wall_ms(program: str, environment: dict[str, str]) -> float:
    before = time.perf_counter()
    subprocess.run([sys.executable, "-c", program], cwd=ROOT, env=environment, check=True)
    return (time.perf_counter() - before) * 1000
