"""What is measured, and how time is taken: the same for pulpo and for a bare loop."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from bench.crew import Crew
from bench.marks import Marks
from bench.place import ENGINES, Place
from bench.sides import BareSide, Side

__all__ = ["MEASURES", "Measure"]

_PATIENCE = 60.0  # seconds without a single job, after which a run has failed
_POLL = 0.005
_LATENCY_POLL = 0.0003

Sample = dict[str, float]
Opens = Callable[[Place], Side]


@dataclass(frozen=True, slots=True, kw_only=True)
class Measure:
    """One thing to measure: `take` measures it once on a side, with `n` jobs.

    `bare` says for each engine with what it is compared, and by which loops. Short runs are taken
    in more `rounds`: where one request is in flight, their rate hangs on which core is awake.
    """

    name: str
    n: int
    rounds: int = 5
    take: Callable[[Side, Path, int], Sample]
    bare: Mapping[str, Mapping[str, Opens]]


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
        with side.workers(path, processes=processes, forever=False) as crew:
            _await(marks, n, crew)
        starts = marks.starts(n)
        _check_once(marks)
    return {"jobs/s": (n - 1) / (max(starts) - min(starts)) * 1e9}


def drain_all(side: Side, folder: Path, n: int) -> Sample:
    """The same with as many processes as a user gets by default: one for each core."""
    return drain(side, folder, n, processes=None)


def end_to_end(side: Side, folder: Path, n: int) -> Sample:
    """One process works; from the first publish to the last job's start, one by one."""
    path = folder / "marks"
    with (
        closing(Marks.create(path, n + 1)) as marks,
        side.workers(path, processes=1, forever=True) as crew,
    ):
        _warm_up(side, marks, n, crew)
        with side.sender(n) as send:
            start = time.monotonic_ns()
            for number in range(n):
                send(number)
            _await(marks, n + 1, crew)
        _check_once(marks)
        return {"jobs/s": n / (max(marks.starts(n)) - start) * 1e9}


def latency(side: Side, folder: Path, n: int) -> Sample:
    """One idle process; from the call to the first line of the job, with 1 to 5 ms in between."""
    path = folder / "marks"
    pauses = random.Random(1)
    taken: list[float] = []
    with (
        closing(Marks.create(path, n + 1)) as marks,
        side.workers(path, processes=1, forever=True) as crew,
    ):
        _warm_up(side, marks, n, crew)
        with side.sender(n) as send:
            for number in range(n):
                time.sleep(0.001 + pauses.random() * 0.004)
                start = time.monotonic_ns()
                send(number)
                _await(marks, number + 2, crew, poll=_LATENCY_POLL)
                taken.append((marks.started(number) - start) / 1e6)
    taken.sort()
    return {"p50 ms": taken[n // 2], "p99 ms": taken[n * 99 // 100]}


def _warm_up(side: Side, marks: Marks, number: int, crew: Crew) -> None:
    """Wait until the worker has run its first job, and is idle."""
    side.batches(number, 1)()
    _await(marks, 1, crew)
    time.sleep(0.1)


def _await(marks: Marks, count: int, crew: Crew, *, poll: float = _POLL) -> None:
    seen, since = -1, time.monotonic()
    while (done := marks.done()) < count:
        if done != seen:
            seen, since = done, time.monotonic()
        elif crew.failed() or time.monotonic() - since > _PATIENCE:
            raise RuntimeError(f"{done} of {count} jobs ran, then no more:\n{crew.last_words()}")
        time.sleep(poll)


def _check_once(marks: Marks) -> None:
    if twice := marks.twice():
        raise RuntimeError(f"{twice} jobs ran more than once")


def _bare(size: int) -> Opens:
    return partial(BareSide, size=size)


# Both are shown: the second is what a worker must beat that asks for one job after the other.
_CONSUMERS = {"consumer takes all there is": _bare(128), "consumer takes one by one": _bare(1)}
_SOCKET = {"raw socket, batches of 128": _bare(128)}
_FILE = {"sqlite3, batches of 128": _bare(128)}

MEASURES = (
    Measure(
        name="publish",
        n=2_000,
        rounds=15,
        take=publish,
        bare={
            "memory": {"heap under a lock": _bare(1)},
            "sqlite": {"sqlite3, synced": _bare(1)},
            "sqlite?sync=normal": {"sqlite3, not synced": _bare(1)},
            "beanstalkd": {"greenstalk": _bare(1)},
        },
    ),
    Measure(
        name="publish_many",
        n=50_000,
        take=publish_many,
        bare={
            "memory": {"heap under a lock, by 1000": _bare(128)},
            "sqlite": {"sqlite3, synced, 1000 a transaction": _bare(128)},
            "sqlite?sync=normal": {"sqlite3, not synced, 1000 a transaction": _bare(128)},
            "beanstalkd": {"raw socket, 1000 a flight": _bare(128)},
        },
    ),
    Measure(
        name="drain",
        n=20_000,
        take=drain,
        bare={
            "memory": {"heap, a thread takes 128": _bare(128)},
            "sqlite": _FILE,
            "beanstalkd": {**_SOCKET, "greenstalk, one by one": _bare(1)},
        },
    ),
    Measure(
        name="drain_all",
        n=20_000,
        take=drain_all,
        bare={"sqlite": _FILE, "beanstalkd": _SOCKET},
    ),
    Measure(
        name="end_to_end",
        n=3_000,
        take=end_to_end,
        bare=dict.fromkeys(ENGINES, _CONSUMERS),
    ),
    Measure(
        name="latency",
        n=300,
        take=latency,
        bare={
            "memory": {"heap, a thread waits": _bare(1)},
            "sqlite": {"sqlite3, synced; datagram": _bare(1)},
            "sqlite?sync=normal": {"sqlite3, not synced; datagram": _bare(1)},
            "beanstalkd": {"greenstalk; waiting reserve": _bare(1)},
        },
    ),
)
