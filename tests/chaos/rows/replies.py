"""E2: the server says anything at all, to every verb."""

from __future__ import annotations

import gc
import multiprocessing
import os
from collections import Counter
from typing import Any

from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

from tests.chaos.reply_fuzz import CALLS, REPLIES, FuzzedCall, call
from tests.chaos.row import Row
from tests.chaos.trial import Trial
from tests.lab.sampler import sample

# One of so many is measured for what it allocates, since that takes five times as long.
_MEASURED = 100
# Hypothesis remembers what it has tried, so it begins anew after so many.
_PART = 2_500
_MOST_GROWTH = 50 * 2**20
_FIRST: list[int] = []
_SETTINGS: dict[str, Any] = {
    "database": None,
    "deadline": None,
    "phases": [Phase.generate, Phase.shrink],
    "suppress_health_check": list(HealthCheck),
}


def act(trial: Trial) -> None:
    """Try replies in as many processes as there are figures for, each with seeds of its own."""
    replies = trial.figures["replies"]
    part = min(_PART, replies // trial.figures["processes"])
    tasks = [(trial.seed + 1_000_000 * n, part) for n in range(max(replies // part, 1))]
    with multiprocessing.get_context("spawn").Pool(trial.figures["processes"]) as pool:
        for counted, wrong, growth in pool.imap_unordered(_try, tasks):
            for name, times in counted.items():
                trial.count(name, times)
                trial.count("replies", times)
            trial.must(not wrong, wrong)
            trial.must(growth < _MOST_GROWTH, f"a process has grown by {growth >> 20} MB")
    names = {each.name for each in CALLS}
    trial.must(names <= trial.counted.keys(), "every call was made")
    trial.must(trial.counted["replies"] >= replies * 0.9, "as many replies as the figures say")


def _try(task: tuple[int, int]) -> tuple[Counter[str], str, int]:
    """Return how often each call was made, the first that went wrong, and how memory grew."""
    chosen, times = task
    counted: Counter[str] = Counter()

    @seed(chosen)
    @settings(max_examples=times, **_SETTINGS)
    @given(st.sampled_from(CALLS), REPLIES)
    def attempt(fuzzed: FuzzedCall, says: bytes) -> None:
        counted[fuzzed.name] += 1
        wrong = call(fuzzed, says, measure=counted.total() % _MEASURED == 0)
        assert not wrong, f"{fuzzed.name}, {says[:200]!r}: {wrong}"

    try:
        attempt()
    except AssertionError as error:
        return counted, str(error), 0
    except BaseException as error:
        return counted, f"{error!r}: {error.__notes__ if hasattr(error, '__notes__') else ''}", 0
    return counted, "", _growth()


def _growth() -> int:
    """Return by how much this process has grown since the first time that this was asked."""
    gc.collect()
    now = sample([os.getpid()]).rss
    _FIRST.append(now)
    return now - _FIRST[0]


ROWS = [
    Row(
        name="E2",
        says="anything as a reply to each verb",
        passes="only documented errors, at most 1 MB allocated, a broken connection closed",
        act=act,
        engines=("a liar",),
        short={"replies": 10_000, "processes": 2},
        full={"replies": 1_000_000, "processes": 2},
    )
]
