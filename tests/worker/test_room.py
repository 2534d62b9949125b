"""How many jobs a worker takes."""

from __future__ import annotations

from typing import Any

import pytest

from pulpo import Message, Pulpo
from pulpo.clock import ManualClock
from pulpo.run import Run
from pulpo.worker.coroutines import CoroutinePool
from pulpo.worker.execute import Finished
from pulpo.worker.room import MOST_AHEAD, Room
from pulpo.worker.settings import WorkerSettings
from pulpo.worker.threads import ThreadPool
from tests.worker.stage import run_of


class Pool:
    """As much of a pool as `Room` looks at."""

    takes_ahead = True

    def __init__(self, size: int) -> None:
        self.size = size
        self.in_hand = 0


def app() -> Pulpo:
    made = Pulpo("memory://")

    async def slow(message: Message) -> None: ...

    made.register("plain", lambda message: None, queue="plain")
    made.register("slow", slow, queue="async")
    made.register("both.plain", lambda message: None, queue="both")
    made.register("both.async", slow, queue="both")
    return made


def room(threads: int = 4, slots: int = 10, **settings: Any) -> tuple[Room, Pool, Pool]:
    plain, coroutines = Pool(threads), Pool(slots)
    made = Room(
        app().registry,
        WorkerSettings(threads=threads, async_slots=slots, **settings),
        plain,  # type: ignore[arg-type]
        coroutines,  # type: ignore[arg-type]
    )
    return made, plain, coroutines


def finished(seconds: float) -> Finished:
    run = run_of()
    run.started = 100.0
    return Finished(run, None, 100.0 + seconds)


def test_without_queues_it_serves_default_and_those_of_its_types() -> None:
    assert room()[0].queues == ("async", "both", "default", "plain")


def test_named_queues_are_served_and_no_others() -> None:
    made = room(queues=("plain", "elsewhere"))[0]

    assert made.queues == ("plain", "elsewhere")
    assert made.now()[0] == ("plain", "elsewhere")


def test_the_room_of_a_call_is_that_of_the_smallest_open_queue() -> None:
    made, plain, coroutines = room(4, 10)

    assert made.now() == (("async", "both", "default", "plain"), 4)
    plain.in_hand, coroutines.in_hand = 1, 8
    assert made.now()[1] == 2


def test_a_queue_whose_pool_is_full_is_left_out() -> None:
    made, plain, coroutines = room(4, 10)

    plain.in_hand = 4
    assert made.now() == (("async",), 10)
    plain.in_hand, coroutines.in_hand = 0, 10
    assert made.now() == (("plain",), 4)
    plain.in_hand = 4
    assert made.now() == ((), 0)


def test_nothing_is_taken_ahead_before_something_is_known() -> None:
    assert room(4)[0].left() == (4, 10)


def test_very_short_jobs_are_taken_ahead_as_many_as_fit_into_ten_milliseconds() -> None:
    made = room(4)[0]
    for _ in range(200):
        made.learn(finished(0.001))

    plain, coroutines = made.left()
    assert 4 + 9 <= plain <= 4 + 10
    assert coroutines == 10


def test_however_short_they_are_there_is_an_end_to_what_is_taken_ahead() -> None:
    made = room(4)[0]
    for _ in range(500):
        made.learn(finished(0.0))

    assert made.left()[0] == 4 + MOST_AHEAD


def test_one_slow_job_ends_taking_ahead_at_once() -> None:
    made = room(4)[0]
    for _ in range(200):
        made.learn(finished(0.0001))
    made.learn_slow()

    assert made.left()[0] == 4


@pytest.mark.parametrize(("seconds", "count", "hands"), [(0.0, 10, 1), (0.0002, 9, 2), (1, 3, 3)])
def test_threads_are_woken_for_work_that_is_worth_it(
    seconds: float, count: int, hands: int
) -> None:
    made = room(4)[0]
    for _ in range(500):
        made.learn(finished(seconds))

    assert made.hands_for(count) == hands


def test_a_run_that_waits_takes_room_as_one_that_runs() -> None:
    clock = ManualClock()
    threads = ThreadPool(2, clock, lambda: None)
    coroutines = CoroutinePool(2, clock, lambda: None)
    made = Room(app().registry, WorkerSettings(threads=2), threads, coroutines)
    runs: list[Run] = [run_of(), run_of()]

    threads.submit(runs, wake=0)

    assert made.left()[0] == 0
    assert threads.take_back(float("inf")) == runs
    assert made.left()[0] == 2


def test_a_queue_that_turns_out_to_hold_async_jobs_has_the_room_of_both_pools() -> None:
    found, _, coroutines = room(queues=("plain",))
    coroutines.in_hand = 10
    assert "plain" in found.now()[0]

    stranger = run_of(is_async=True)
    stranger.queue = "plain"
    found.had_none(stranger)

    assert found.now()[0] == ()
    coroutines.in_hand = 9
    assert found.now() == (("plain",), 1)


def test_a_suspect_without_a_thread_lets_its_queue_wait_for_one() -> None:
    found, plain, _ = room(queues=("async",))
    plain.in_hand = 4
    assert found.now() == (("async",), 10)

    suspect = run_of(is_async=True)
    suspect.queue, suspect.isolated = "async", True
    found.had_none(suspect)

    assert found.now() == ((), 0)
    plain.in_hand = 3
    assert found.now() == (("async",), 10)
    plain.in_hand = 4
    assert found.now() == (("async",), 10)  # nothing of it waits for a thread any more
