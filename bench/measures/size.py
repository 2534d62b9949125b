"""Whether a queue of a million jobs is as good as a small one."""

from __future__ import annotations

import time
from contextlib import closing
from pathlib import Path

from bench.family import pss_mb
from bench.jobs import BRIEF
from bench.marks import Marks
from bench.measure import await_jobs, check_once, warm_up
from bench.measures.flow import percentiles
from bench.sides import CHUNK, Side, Staff
from bench.timing import Sample

__all__ = ["delayed", "urgent", "waiting"]

_LOOK = 10_000  # jobs that are timed, however many wait
_PUBLISHED = 2_000
_PROBES = 50
_PROBE_PAUSE = 0.02
# Jobs a second that are put, and that become due: less than what every engine takes and runs.
_FILL_PACE = 25_000
_DUE_PACE = 10_000
_HEADSTART = 2.0


def waiting(side: Side, folder: Path, n: int) -> Sample:
    """Behind `n` jobs: publish some one by one; then the rate of the first that are run."""
    look, published = min(n, _LOOK), min(n, _PUBLISHED)
    side.batches(0, n)()
    with side.sender(n + published) as send:
        start = time.perf_counter()
        for number in range(n, n + published):
            send(number)
        rate = published / (time.perf_counter() - start)
    path = folder / "marks"
    with closing(Marks.create(path, n + published)) as marks:
        with side.workers(path, Staff()) as crew:
            await_jobs(marks, look, crew)
        starts = sorted(filter(None, marks.starts(n + published)))
    spent = max(1, starts[look - 1] - starts[0])
    return {"published/s": rate, "worked/s": max(1, look - 1) / spent * 1e9}


def urgent(side: Side, folder: Path, n: int) -> Sample:
    """Before `n` jobs of 2 ms that a worker is busy with: the latency of jobs at priority 0."""
    side.batches(0, n, job=BRIEF)()
    path = folder / "marks"
    taken = []
    with (
        closing(Marks.create(path, n + _PROBES)) as marks,
        side.workers(path, Staff(job=BRIEF)) as crew,
    ):
        await_jobs(marks, 1, crew)
        with side.sender(n + _PROBES, job=BRIEF, urgent=True) as send:
            for number in range(n, n + _PROBES):
                time.sleep(_PROBE_PAUSE)
                start = time.monotonic_ns()
                send(number)
                taken.append((_await_start(marks, number) - start) / 1e6)
    return percentiles(taken)


def _await_start(marks: Marks, number: int) -> int:
    end = time.monotonic() + 60
    while not (start := marks.started(number)):
        if time.monotonic() > end:
            raise RuntimeError(f"job {number} at priority 0 did not start within a minute")
        time.sleep(0.0003)
    return start


def delayed(side: Side, folder: Path, n: int) -> Sample:
    """`n` jobs become due at a steady pace, while an idle worker of all cores waits for them.

    A job is early if it starts before its moment at all; how late it may be is counted from the
    last moment that its call may have meant, the end of the call.
    """
    path = folder / "marks"
    with (
        closing(Marks.create(path, n + 1)) as marks,
        side.workers(path, Staff(processes=None)) as crew,
    ):
        warm_up(side, marks, n, crew)
        before = pss_mb(crew.pids())
        dues = _put_delayed(side, n)
        await_jobs(marks, n + 1, crew, patience=60 + n / _FILL_PACE)
        after = pss_mb(crew.pids())
        check_once(marks)
        starts = marks.starts(n)
    late = [(start - dues[number // CHUNK][1]) / 1e6 for number, start in enumerate(starts)]
    early = sum(start < dues[number // CHUNK][0] for number, start in enumerate(starts))
    shares = percentiles([max(0.01, ms) for ms in late])
    return {"late p99 ms": shares["p99 ms"], "early": early, "MB more": after - before}


def _put_delayed(side: Side, n: int) -> list[tuple[int, int]]:
    """Put chunk by chunk; return between which nanoseconds the jobs of each became due."""
    first_due = time.monotonic() + _HEADSTART + n / _FILL_PACE
    dues = []
    for start in range(0, n, CHUNK):
        delay = first_due + start / _DUE_PACE - time.monotonic()
        send = side.batches(start, min(CHUNK, n - start), delay=max(1.0, delay))
        before = time.monotonic_ns()
        send()
        after = time.monotonic_ns()
        span = round(max(1.0, delay) * 1e9)
        dues.append((before + span, after + span))
    return dues
