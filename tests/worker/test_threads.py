"""The pool of threads, with real threads: every run comes back once, whatever is done to it."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import pytest

from pulpo.clock import SystemClock
from pulpo.errors import JobTimeoutError
from pulpo.worker.decide import Raised
from pulpo.worker.execute import Finished
from pulpo.worker.threads import ThreadPool
from tests.worker.stage import run_of, until


@pytest.fixture
def bell() -> threading.Event:
    return threading.Event()


@pytest.fixture
def pool(bell: threading.Event) -> Iterator[ThreadPool]:
    found = ThreadPool(4, SystemClock(), bell.set)
    yield found
    found.stop()


def collect(pool: ThreadPool, count: int) -> list[Finished]:
    done: list[Finished] = []

    def enough() -> bool:
        done.extend(pool.take_finished())
        return len(done) >= count

    until(enough, f"{count} results")
    return done


def test_every_run_comes_back_once(pool: ThreadPool) -> None:
    runs = [run_of(lambda: None, number=n) for n in range(10_000)]
    for start in range(0, 10_000, 50):
        pool.submit(runs[start : start + 50], wake=4)

    done = collect(pool, 10_000)

    assert sorted(finished.run.job.number for finished in done) == list(range(10_000))
    assert pool.in_hand == 0


def test_one_thread_runs_in_the_order_of_arrival() -> None:
    pool, order = ThreadPool(1, SystemClock(), lambda: None), []
    pool.submit([run_of(lambda n=n: order.append(n), number=n) for n in range(100)], wake=1)
    collect(pool, 100)
    pool.stop()

    assert order == list(range(100))


def test_a_result_rings_the_bell_of_who_waits(pool: ThreadPool, bell: threading.Event) -> None:
    pool.submit([run_of()], wake=1)

    assert bell.wait(5)


def test_what_is_returned_and_what_is_raised_come_back(pool: ThreadPool) -> None:
    def fails() -> None:
        raise ValueError("no")

    pool.submit([run_of(lambda: 7, number=1), run_of(fails, number=2)], wake=2)

    results = {done.run.job.number: done.result for done in collect(pool, 2)}
    assert results[1] == 7
    assert isinstance(results[2], Raised)
    assert str(results[2].error) == "no"


def test_only_what_has_not_begun_is_taken_back() -> None:
    pool, go = ThreadPool(1, SystemClock(), lambda: None), threading.Event()
    runs = [run_of(lambda: go.wait(10), number=n) for n in range(4)]
    pool.submit(runs, wake=1)
    until(lambda: pool.running(), "the first one runs")

    taken = pool.take_back(float("inf"))

    assert [run.job.number for run in taken] == [1, 2, 3]
    assert pool.take_back(float("inf")) == []
    go.set()
    assert len(collect(pool, 1)) == 1
    pool.stop()


def test_what_came_just_now_is_not_taken_back() -> None:
    pool, go = ThreadPool(1, SystemClock(), lambda: None), threading.Event()
    pool.submit([run_of(lambda: go.wait(10), number=n) for n in range(3)], wake=1)
    until(lambda: pool.running(), "the first one runs")

    assert pool.take_back(time.monotonic() - 60) == []
    assert pool.waiting == 2
    go.set()
    collect(pool, 3)
    pool.stop()


def test_a_nudge_wakes_a_hand_for_each_that_waits(pool: ThreadPool) -> None:
    go = threading.Event()
    pool.submit([run_of(lambda: go.wait(10), number=n) for n in range(4)], wake=1)
    until(lambda: len(pool.running()) == 1, "one hand is at work")
    assert pool.waiting == 3

    pool.nudge(pool.waiting)

    until(lambda: len(pool.running()) == 4, "all four are at work")
    assert pool.waiting == 0
    go.set()
    collect(pool, 4)


def test_no_nudge_starts_more_threads_than_the_pool_has(pool: ThreadPool) -> None:
    go = threading.Event()
    pool.submit([run_of(lambda: go.wait(10), number=n) for n in range(9)], wake=9)
    until(lambda: len(pool.running()) == 4, "all four are at work")

    pool.nudge(100)

    assert (len(pool._slots), pool.waiting) == (4, 5)
    go.set()
    collect(pool, 9)


def test_the_waiting_since_is_that_of_the_oldest(pool: ThreadPool) -> None:
    assert pool.waiting_since() is None
    runs = [run_of(number=n) for n in range(3)]

    pool.submit(runs, wake=0)

    assert pool.waiting_since() == runs[0].taken > 0
    pool.nudge(1)
    collect(pool, 3)
    assert pool.waiting_since() is None


def test_a_run_in_python_is_interrupted(pool: ThreadPool) -> None:
    def forever() -> None:
        while True:
            time.sleep(0.001)

    run = run_of(forever)
    pool.submit([run], wake=1)
    until(lambda: pool.running(), "it runs")

    pool.interrupt(run)

    (done,) = collect(pool, 1)
    assert isinstance(done.result, Raised)
    assert isinstance(done.result.error, JobTimeoutError)
    assert run.over_time


def test_a_run_is_interrupted_once_however_often_it_is_tried(pool: ThreadPool) -> None:
    told, struck, go = threading.Event(), [], threading.Event()

    def cleans_up() -> None:
        for _ in range(2):
            try:
                while not go.wait(0.001):
                    pass
            except JobTimeoutError:
                struck.append("once")
                told.set()

    run = run_of(cleans_up)
    pool.submit([run], wake=1)
    until(lambda: pool.running(), "it runs")

    pool.interrupt(run)
    assert told.wait(5)
    pool.interrupt(run)
    go.set()

    (done,) = collect(pool, 1)
    assert (struck, done.result) == (["once"], None)


def test_a_run_that_is_over_or_has_not_begun_is_not_interrupted() -> None:
    pool, go = ThreadPool(1, SystemClock(), lambda: None), threading.Event()
    first, waits = run_of(lambda: go.wait(10), number=1), run_of(lambda: "whole", number=2)
    pool.submit([first, waits], wake=1)
    until(lambda: pool.running(), "the first one runs")

    pool.interrupt(waits)
    go.set()
    done = collect(pool, 2)
    pool.interrupt(first)

    assert [finished.result for finished in done] == [True, "whole"]
    assert not first.over_time
    assert not waits.over_time
    pool.stop()


def test_no_interrupt_strikes_inside_a_call_of_pulpo(pool: ThreadPool) -> None:
    inside, go, after = threading.Event(), threading.Event(), []

    def publishes() -> None:
        assert run.shield is not None
        with run.shield:  # as `publish` does
            inside.set()
            go.wait(10)
            after.append("whole")

    run = run_of(publishes)
    pool.submit([run], wake=1)
    assert inside.wait(5)

    pool.interrupt(run)
    go.set()

    (done,) = collect(pool, 1)
    assert (after, done.result, run.over_time) == (["whole"], None, False)


# Where one strikes inside a callback of the garbage collector, Python can only tell of it.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_an_interrupt_at_the_very_end_loses_no_result(pool: ThreadPool) -> None:
    runs = [run_of(lambda: None, number=n) for n in range(3_000)]
    hunted = threading.Event()

    def hunt() -> None:
        while not hunted.is_set():
            for run in pool.running():
                pool.interrupt(run)

    hunter = threading.Thread(target=hunt)
    hunter.start()
    try:
        pool.submit(runs, wake=4)
        done = {finished.run.job.number for finished in collect_all(pool, 3_000)}
    finally:
        hunted.set()
        hunter.join()

    assert done == set(range(3_000))


def collect_all(pool: ThreadPool, count: int) -> list[Finished]:
    done: list[Finished] = []

    def enough() -> bool:
        done.extend(pool.take_finished())
        pool.nudge(4)
        return len({finished.run.job.number for finished in done}) >= count

    until(enough, f"{count} results")
    return done


def test_what_was_given_up_is_dropped(pool: ThreadPool) -> None:
    go = threading.Event()
    lost, kept = run_of(lambda: go.wait(10), number=1), run_of(number=2)
    pool.submit([lost], wake=1)
    until(lambda: pool.running(), "it runs")

    pool.give_up(lost)
    go.set()
    pool.submit([kept], wake=1)

    assert [finished.run for finished in collect(pool, 1)] == [kept]
    assert pool.running() == []


def test_a_stop_ends_the_threads_that_sleep_and_those_at_work_after_their_run() -> None:
    pool, go = ThreadPool(2, SystemClock(), lambda: None), threading.Event()
    before = set(threading.enumerate())
    pool.submit([run_of(lambda: None), run_of(lambda: go.wait(10))], wake=2)
    until(lambda: pool.running() and not pool.waiting, "one runs, one sleeps or soon will")
    threads = set(threading.enumerate()) - before

    pool.stop()
    go.set()

    for thread in threads:
        thread.join(5)
    assert len(threads) == 2
    assert not any(thread.is_alive() for thread in threads)
    assert len(pool.take_finished()) == 2  # what was begun has come back
