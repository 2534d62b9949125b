"""J1: any order of calls and crashes, compared with a model of the queue; see `tests.model`."""

from __future__ import annotations

import time
from functools import partial

from tests.chaos.row import Row
from tests.chaos.trial import Trial
from tests.model.entries import Counts
from tests.model.grounds import GROUNDS
from tests.model.programs import run

BATCH = 100


def act(trial: Trial) -> None:
    """Try programs, a batch for each seed, so many of them or for so many seconds."""
    began, seed = time.monotonic(), trial.seed
    left = trial.figures.get("examples", 0)
    while left > 0 or time.monotonic() - began < trial.figures.get("seconds", 0):
        examples = min(left, BATCH) if left > 0 else BATCH
        counts = _try(trial, examples, seed)
        for what in Counts.__slots__:
            trial.count(what, getattr(counts, what))
        left, seed = left - examples, seed + 1
    trial.must(trial.counted["settled"], "something was settled")
    trial.must(trial.counted["lost"], "a lease was lost")
    allowed = trial.counted["examples"] // 20
    trial.must(trial.counted["stalled"] <= allowed, "a server stalls seldom")


def _try(trial: Trial, examples: int, seed: int) -> Counts:
    begin = partial(GROUNDS[trial.engine], trial.folder)
    try:
        return run(begin, examples=examples, steps=trial.figures["steps"], seed=seed)
    except Exception as error:
        program = "\n".join(getattr(error, "__notes__", ()))
        raise AssertionError(f"seed {seed}: {error}\n{program}") from error


ROWS = [
    Row(
        name="J1",
        says="any order of calls, crashes and time",
        passes="each answer, order, count and crash as in the model; nothing lost in the end",
        act=act,
        engines=("memory", "sqlite", "beanstalkd", "beanstalkds", "postgresql"),
        short={"examples": 60, "steps": 50},
        full={"seconds": 200, "steps": 100},
    )
]
