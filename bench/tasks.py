"""The job that the benchmark's workers run: it stamps its slot and does nothing else."""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path

import pulpo
from bench.marks import Marks

__all__ = ["MARKS", "TYPE", "noop"]

MARKS = "PULPO_BENCH_MARKS"  # the environment variable that names the file of stamps
TYPE = "bench.noop"


@cache
def _marks() -> Marks:
    return Marks.open(Path(os.environ[MARKS]))


@pulpo.job(type=TYPE)
def noop(number: int) -> None:
    _marks().stamp(number)
