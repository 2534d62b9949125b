"""What more worker processes and more producers bring, and whether two writers share evenly."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from itertools import pairwise
from pathlib import Path

from bench.crew import ROOT
from bench.measures.flow import drain
from bench.sides import Side
from bench.timing import Sample

__all__ = ["processes", "producers"]

_PROCESSES = (1, 2, 4)
_PRODUCERS = (1, 2, 4, 8, 16)
_PACE = 4_000  # jobs a second: turns a number of jobs into a time for which all publish


def processes(side: Side, folder: Path, n: int) -> Sample:
    """Work off `n` jobs with each number of processes, one after the other."""
    return _steps(
        {count: drain(side, folder, n, processes=count)["jobs/s"] for count in _PROCESSES}
    )


def producers(side: Side, folder: Path, n: int) -> Sample:
    """Publish from each number of processes at once, each for the time that `n` jobs take."""
    del folder
    counts = {many: _publish_at_once(side, many, n / _PACE) for many in _PRODUCERS}
    sample = dict(_steps({many: sum(each) * _PACE / n for many, each in counts.items()}))
    two = counts[2]
    return {**sample, "lesser of 2, %": 100 * min(two) / max(1, sum(two))}


def _steps(rates: dict[int, float]) -> Sample:
    """Return each rate, and each as a multiple of the one before."""
    sample = {f"jobs/s by {count}": rate for count, rate in rates.items()}
    for (fewer, before), (more, after) in pairwise(rates.items()):
        sample[f"{more} : {fewer}"] = after / max(before, 1.0)
    return sample


def _publish_at_once(side: Side, many: int, seconds: float) -> Sequence[int]:
    command = [sys.executable, "-m", "bench.producer", *side.producer(), str(seconds)]
    with ExitStack() as stack:
        running = [stack.enter_context(_start(command)) for _ in range(many)]
        for process in running:
            _line(process)
        for process in running:
            process.stdin.write("go\n")  # type: ignore[union-attr]
            process.stdin.flush()  # type: ignore[union-attr]
        return [int(_line(process)) for process in running]


def _start(command: Sequence[str]) -> subprocess.Popen[str]:
    pipe = subprocess.PIPE
    return subprocess.Popen(command, cwd=ROOT, stdin=pipe, stdout=pipe, text=True)


def _line(process: subprocess.Popen[str]) -> str:
    line: str = process.stdout.readline()  # type: ignore[union-attr]
    if not line:
        raise RuntimeError(f"a producer has ended with {process.wait()}")
    return line
