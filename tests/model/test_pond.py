"""Keys beside a queue: in any order of steps, and whoever dies, one job of a key at a time."""

from __future__ import annotations

import random
from itertools import pairwise

import pytest

from pulpo.adapters.beanstalkd import taking
from tests.model.pond import Pond

SCHEDULES = 500


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Take keys over from the slow at once, as if they had been slow for long."""
    monkeypatch.setattr(taking, "_PATIENCE", 0.0)


@pytest.mark.parametrize("seed", range(4))
def test_one_job_of_a_key_runs_at_a_time_and_no_call_is_in_vain(seed: int) -> None:
    for number in range(SCHEDULES):
        pond = Pond(random.Random(f"{seed}-{number}"))
        pond.play(publishers=3, workers=3)
        where = f"schedule {seed}-{number}: {pond.calls}, {pond.lives}"

        order = sorted(pond.lives, key=lambda life: life.begun)
        for life, following in pairwise(order):
            assert life.ended is not None, where
            assert life.ended <= following.begun, where
        for call in pond.calls:
            if call.told is not None:  # a job was done that was there when it began, or later
                assert max(pond.deleted, default=0) >= call.since, where
        assert pond.ask_again() is None, where


@pytest.mark.parametrize("seed", range(2))
def test_a_key_that_is_held_until_the_start_is_free_in_the_end(seed: int) -> None:
    for number in range(SCHEDULES):
        pond = Pond(random.Random(f"{seed}-{number}"), until="started")
        pond.play(publishers=3, workers=3)
        where = f"schedule {seed}-{number}: {pond.calls}, {pond.lives}"

        for call in pond.calls:
            if call.told is not None:
                begun = [life.begun for life in pond.lives if life.done]
                assert max(begun, default=0) >= call.since, where
        assert pond.ask_again() is None, where
