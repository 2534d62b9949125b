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
    runs = [run_of(lambda: None, number=n) for n in range(5_000)]
    for start in range(0, 5_000, 50):
        pool.submit(runs[start : start + 50], wake=4)

    done = collect(pool, 5_000)

    assert sorted(finished.run.job.number for finished in done) == list(range(5_000))
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

    assert sorted(run.job.number for run in taken) == [1, 2, 3]
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


def test_an_interrupt_at_the_very_end_loses_no_result(pool: ThreadPool) -> None:
    runs = [run_of(lambda: None, number=n) for n in range(3_000)]
    hunted = threading.Event()

    def hunt() -> None:
        while not hunted.is_set():
            for run in pool.running():
                pool.interrupt(run)

    hunter = threading.Thread(target=hunt)
    hunter.start()
    pool.submit(runs, wake=4)
    done = {finished.run.job.number for finished in collect_all(pool, 3_000)}
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
