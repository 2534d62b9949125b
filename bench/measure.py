"""What a measure is, and how a run waits for its jobs; the same for pulpo and for a bare loop."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from bench.crew import Crew
from bench.marks import Marks
from bench.sides import Opens, Side
from bench.timing import Sample

__all__ = ["Measure", "await_jobs", "check_once", "warm_up"]

_PATIENCE = 60.0  # seconds without a single job, after which a run has failed
_POLL = 0.005
_REST = 1.5  # seconds, in which a worker becomes an idle one


def _all(n: int) -> int:
    return n


def _nothing() -> None:
    return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Measure:
    """One thing to measure: `take` measures it once on a side, with `n` jobs.

    `bare` says for each engine with what it is compared, and by which loops; those are run with
    `bare_n` of `n`. Short runs are taken in more `rounds`: where one request is in flight, their
    rate hangs on which core is awake. `opens` is pulpo's side, where it is not the usual one. What
    is `long` is only measured when asked for. `missing` says why it can't be measured on this
    system.
    """

    name: str
    about: str
    n: int
    rounds: int = 5
    take: Callable[[Side, Path, int], Sample]
    bare: Mapping[str, Mapping[str, Opens]]
    bare_n: Callable[[int], int] = _all
    opens: Opens | None = None
    long: bool = False
    missing: Callable[[], str | None] = _nothing


def await_jobs(
    marks: Marks, count: int, crew: Crew, *, poll: float = _POLL, patience: float | None = None
) -> None:
    """Wait until so many jobs have run; raises `RuntimeError` when no more do."""
    seen, since = -1, time.monotonic()
    patience = _PATIENCE if patience is None else patience
    while (done := marks.done()) < count:
        if done != seen:
            seen, since = done, time.monotonic()
        elif crew.failed() or time.monotonic() - since > patience:
            raise RuntimeError(f"{done} of {count} jobs ran, then no more:\n{crew.last_words()}")
        time.sleep(poll)


def warm_up(side: Side, marks: Marks, number: int, crew: Crew) -> None:
    """Wait until the worker has run its first job, and is idle."""
    side.batches(number, 1)()
    await_jobs(marks, 1, crew)
    time.sleep(min(_REST, number / 100))


def check_once(marks: Marks) -> None:
    """Raise `RuntimeError` if a job has run twice."""
    if twice := marks.twice():
        raise RuntimeError(f"{twice} jobs ran more than once")
