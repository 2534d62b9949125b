"""The event loop of a worker, with a real one: many at once, and an end for each."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator

import pytest

from pulpo import current_job
from pulpo.clock import SystemClock
from pulpo.errors import JobTimeoutError
from pulpo.worker.coroutines import CoroutinePool
from pulpo.worker.decide import Raised
from pulpo.worker.execute import Finished
from tests.worker.stage import run_of, until


@pytest.fixture
def pool() -> Iterator[CoroutinePool]:
    found = CoroutinePool(100, SystemClock(), lambda: None)
    yield found
    found.stop()


def collect(pool: CoroutinePool, count: int) -> list[Finished]:
    done: list[Finished] = []

    def enough() -> bool:
        done.extend(pool.take_finished())
        return len(done) >= count

    until(enough, f"{count} results")
    return done


def test_a_hundred_wait_at_the_same_time(pool: CoroutinePool) -> None:
    waiting, everybody = [0], asyncio.Event()

    async def meets() -> int:
        waiting[0] += 1
        if waiting[0] == 100:
            everybody.set()
        await everybody.wait()
        return waiting[0]

    pool.submit([run_of(meets, number=n, is_async=True) for n in range(100)])

    assert {done.result for done in collect(pool, 100)} == {100}
    assert pool.in_hand == 0


def test_each_sees_its_own_job(pool: CoroutinePool) -> None:
    async def who() -> str:
        await asyncio.sleep(0.001)
        return current_job().id

    pool.submit([run_of(who, number=n, is_async=True) for n in range(20)])

    assert {done.result for done in collect(pool, 20)} == {f"id-{n}" for n in range(20)}


def test_an_error_comes_back_as_raised(pool: CoroutinePool) -> None:
    async def fails() -> None:
        raise OSError("gone")

    pool.submit([run_of(fails, is_async=True)])

    (done,) = collect(pool, 1)
    assert isinstance(done.result, Raised)
    assert str(done.result.error) == "gone"


def test_one_over_its_time_is_cancelled_as_timed_out(pool: CoroutinePool) -> None:
    cleaned = threading.Event()

    async def sleeps() -> None:
        try:
            await asyncio.sleep(3600)
        finally:
            cleaned.set()

    run = run_of(sleeps, is_async=True)
    pool.submit([run])
    until(lambda: pool.running(), "it runs")

    pool.interrupt(run)

    (done,) = collect(pool, 1)
    assert cleaned.is_set()
    assert isinstance(done.result, Raised)
    assert isinstance(done.result.error, JobTimeoutError)


def test_one_that_swallows_its_end_can_be_given_up(pool: CoroutinePool) -> None:
    go, gone = threading.Event(), threading.Event()

    async def stubborn() -> None:
        while not go.is_set():
            try:
                await asyncio.sleep(0.01)
            except asyncio.CancelledError:
                continue
        gone.set()

    run = run_of(stubborn, is_async=True)
    pool.submit([run])
    until(lambda: pool.running(), "it runs")
    pool.interrupt(run)

    pool.give_up(run)
    go.set()
    assert gone.wait(5)

    assert pool.in_hand == 0
    assert pool.take_finished() == []


def test_one_that_nobody_wants_any_more_is_cancelled(pool: CoroutinePool) -> None:
    async def sleeps() -> None:
        await asyncio.sleep(3600)

    run = run_of(sleeps, is_async=True)
    pool.submit([run])
    until(lambda: pool.running(), "it runs")

    pool.cancel(run)

    (done,) = collect(pool, 1)
    assert isinstance(done.result, Raised)
    assert isinstance(done.result.error, asyncio.CancelledError)
    assert not run.over_time


def test_one_that_is_cancelled_before_its_first_step_comes_back_once(pool: CoroutinePool) -> None:
    began: list[int] = []

    async def begins() -> None:
        began.append(1)

    async def holds_the_loop() -> None:
        entered.set()
        go.wait(10)

    entered, go = threading.Event(), threading.Event()
    pool.submit([run_of(holds_the_loop, number=1, is_async=True)])
    assert entered.wait(5)
    late = run_of(begins, number=2, is_async=True)
    pool.submit([late])
    pool.cancel(late)
    go.set()

    done = {finished.run.job.number: finished.result for finished in collect(pool, 2)}
    assert done[1] is None
    assert isinstance(done[2], Raised)
    assert (began, pool.in_hand, pool.take_finished()) == ([], 0, [])


def test_one_that_swallows_its_end_and_returns_has_succeeded(pool: CoroutinePool) -> None:
    async def finishes_all_the_same() -> str:
        try:
            await asyncio.sleep(3600)
        except asyncio.CancelledError:
            await asyncio.sleep(0)
        return "whole"

    run = run_of(finishes_all_the_same, is_async=True)
    pool.submit([run])
    until(lambda: pool.running(), "it runs")

    pool.interrupt(run)

    (done,) = collect(pool, 1)
    assert done.result == "whole"


def test_an_interrupt_that_comes_too_late_changes_nothing(pool: CoroutinePool) -> None:
    async def quick() -> int:
        return 7

    run = run_of(quick, is_async=True)
    pool.submit([run])
    (done,) = collect(pool, 1)

    pool.interrupt(run)
    pool.cancel(run)
    pool.submit([run_of(quick, number=2, is_async=True)])

    assert [finished.run.job.number for finished in collect(pool, 1)] == [2]
    assert done.result == 7


def test_thousands_come_back_once_each(pool: CoroutinePool) -> None:
    async def step(n: int) -> int:
        await asyncio.sleep(0)
        return n

    for start in range(0, 5_000, 100):
        numbers = range(start, start + 100)
        pool.submit([run_of(lambda n=n: step(n), number=n, is_async=True) for n in numbers])

    done = collect(pool, 5_000)
    assert sorted(finished.run.job.number for finished in done) == list(range(5_000))
    assert all(finished.result == finished.run.job.number for finished in done)


def test_a_stop_ends_the_event_loop_and_its_thread() -> None:
    pool = CoroutinePool(10, SystemClock(), lambda: None)
    before = set(threading.enumerate())

    async def quick() -> bool:
        return True

    pool.submit([run_of(quick, is_async=True)])
    collect(pool, 1)
    (thread,) = set(threading.enumerate()) - before

    pool.stop()

    assert not thread.is_alive()


def test_no_coroutine_no_thread() -> None:
    before = set(threading.enumerate())

    pool = CoroutinePool(10, SystemClock(), lambda: None)

    assert (pool.take_finished(), pool.running(), pool.in_hand) == ([], [], 0)
    assert set(threading.enumerate()) == before
    pool.stop()


def test_what_still_runs_at_the_very_end_may_clean_up(pool: CoroutinePool) -> None:
    begun, cleaned = threading.Event(), threading.Event()

    async def sleeps() -> None:
        try:
            begun.set()
            await asyncio.sleep(60)
        finally:
            cleaned.set()

    pool.submit([run_of(sleeps, is_async=True)])
    assert begun.wait(10)

    pool.stop()

    assert cleaned.wait(10)
    pool.stop()  # twice is once


def test_one_that_swallows_its_end_does_not_keep_the_pool_from_stopping(
    pool: CoroutinePool,
) -> None:
    begun, go = threading.Event(), threading.Event()

    async def stays() -> None:
        begun.set()
        while not go.is_set():
            try:
                await asyncio.sleep(0.01)
            except asyncio.CancelledError:
                continue

    pool.submit([run_of(stays, is_async=True)])
    assert begun.wait(10)

    pool.stop()
    go.set()


def test_all_are_told_to_end_once() -> None:
    pool, begun = CoroutinePool(10, SystemClock(), lambda: None), threading.Semaphore(0)

    async def sleeps() -> None:
        begun.release()
        await asyncio.sleep(60)

    runs = [run_of(sleeps, number=n, is_async=True) for n in range(3)]
    pool.submit(runs)
    assert all(begun.acquire(timeout=10) for _ in runs)

    assert pool.cancel_all()
    assert not pool.cancel_all()

    assert len(collect(pool, 3)) == 3
    assert all(run.cut and not run.over_time for run in runs)
    pool.stop()
