"""How many jobs a second go in, come out, and go through; how soon one is run."""

from __future__ import annotations

import random
import time
from contextlib import closing
from pathlib import Path

from bench.marks import Marks
from bench.measure import await_jobs, check_once, warm_up
from bench.sides import Side, Staff
from bench.timing import Sample

__all__ = ["drain", "drain_all", "end_to_end", "latency", "percentiles", "publish", "publish_many"]

_LATENCY_POLL = 0.0003


def publish(side: Side, folder: Path, n: int) -> Sample:
    """One by one, each accepted before the next; the first, which connects, is not counted."""
    del folder
    with side.sender(n + 1) as send:
        send(n)
        start = time.perf_counter()
        for number in range(n):
            send(number)
        return {"jobs/s": n / (time.perf_counter() - start)}


def publish_many(side: Side, folder: Path, n: int) -> Sample:
    """1,000 a call; the first, which connects, is not counted."""
    del folder
    side.batches(n, 1)()
    send = side.batches(0, n)
    start = time.perf_counter()
    send()
    return {"jobs/s": n / (time.perf_counter() - start)}


def drain(side: Side, folder: Path, n: int, *, processes: int | None = 1) -> Sample:
    """All queued first, then a worker is started: from the first job's start to the last's."""
    side.batches(0, n)()
    path = folder / "marks"
    with closing(Marks.create(path, n)) as marks:
        with side.workers(path, Staff(processes=processes, forever=False)) as crew:
            await_jobs(marks, n, crew)
        starts = marks.starts(n)
        check_once(marks)
    return {"jobs/s": max(1, n - 1) / max(1, max(starts) - min(starts)) * 1e9}


def drain_all(side: Side, folder: Path, n: int) -> Sample:
    """The same with as many processes as a user gets by default: one for each core."""
    return drain(side, folder, n, processes=None)


def end_to_end(side: Side, folder: Path, n: int) -> Sample:
    """One process works; from the first publish to the last job's start, one by one."""
    path = folder / "marks"
    with (
        closing(Marks.create(path, n + 1)) as marks,
        side.workers(path, Staff()) as crew,
    ):
        warm_up(side, marks, n, crew)
        with side.sender(n) as send:
            start = time.monotonic_ns()
            for number in range(n):
                send(number)
            await_jobs(marks, n + 1, crew)
        check_once(marks)
        return {"jobs/s": n / (max(marks.starts(n)) - start) * 1e9}


def latency(side: Side, folder: Path, n: int) -> Sample:
    """One idle process; from the call to the first line of the job, with 1 to 5 ms in between."""
    path = folder / "marks"
    pauses = random.Random(1)
    taken: list[float] = []
    with (
        closing(Marks.create(path, n + 1)) as marks,
        side.workers(path, Staff()) as crew,
    ):
        warm_up(side, marks, n, crew)
        with side.sender(n) as send:
            for number in range(n):
                time.sleep(0.001 + pauses.random() * 0.004)
                start = time.monotonic_ns()
                send(number)
                await_jobs(marks, number + 2, crew, poll=_LATENCY_POLL)
                taken.append((marks.started(number) - start) / 1e6)
    return percentiles(taken)


def percentiles(values: list[float]) -> Sample:
    """Return the median and what all but one of a hundred keep within, in ms."""
    values = sorted(values)
    return {"p50 ms": values[len(values) // 2], "p99 ms": values[len(values) * 99 // 100]}
