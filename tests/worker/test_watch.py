"""Leases and limits of what a process holds, on a clock that only the test moves."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator, Sequence

import pytest

from pulpo.clock import ManualClock
from pulpo.errors import QueueUnavailableError
from pulpo.job import Job
from pulpo.run import Run
from pulpo.worker.coroutines import CoroutinePool
from pulpo.worker.threads import ThreadPool
from pulpo.worker.watch import Watch
from tests.worker.stage import Stage, run_of, until

Make = Callable[..., Stage]


def held(stage: Stage, go: threading.Event, **options: object) -> str:
    @stage.app.job(type="held", **options)  # type: ignore[arg-type]
    def wait() -> None:
        go.wait(10)

    ref = wait.delay()
    stage.tick_until(lambda: stage.worker._threads.running(), "it runs")
    return ref.id


def test_a_lease_is_renewed_when_a_third_of_it_is_over_and_not_before(make_stage: Make) -> None:
    stage, go = make_stage(burst=False), threading.Event()
    held(stage, go, ttr=90)

    stage.clock.advance(29)
    stage.worker.tick()
    assert stage.adapter.touched == []
    stage.clock.advance(2)
    stage.worker.tick()

    assert len(stage.adapter.touched) == 1
    go.set()


def test_a_lease_that_is_not_confirmed_for_its_whole_length_counts_as_lost(
    make_stage: Make,
) -> None:
    stage, go = make_stage(burst=False), threading.Event()
    held(stage, go, ttr=90)
    stage.adapter.touch_answer = ValueError("no answer")
    (run,) = stage.worker._watch.held.values()

    for _ in range(3):
        stage.clock.advance(29)
        stage.worker.tick()
    assert not run.lost
    stage.clock.advance(10)
    stage.worker.tick()

    assert run.lost
    go.set()


def test_an_error_after_the_time_is_over_is_that_of_the_time(make_stage: Make) -> None:
    stage, go = make_stage(burst=False), threading.Event()

    @stage.app.job(type="waits", timeout=10, retries=0)
    def waits() -> None:
        while not go.wait(0.001):
            pass

    ref = waits.delay()
    stage.tick_until(lambda: stage.worker._threads.running(), "it runs")
    stage.clock.advance(11)
    stage.tick_until(lambda: stage.endings, "its end")

    assert stage.endings == ["buried"]
    assert "JobTimeoutError: timed out after 10s" in stage.headers(ref.id)["errors"][-1]


def test_a_lost_lease_ends_a_coroutine_and_what_it_came_to_is_dropped(make_stage: Make) -> None:
    stage, cleaned = make_stage(burst=False), threading.Event()

    @stage.app.job(type="sleeps", ttr=90)
    async def sleeps() -> None:
        try:
            await asyncio.sleep(3600)
        finally:
            cleaned.set()

    ref = sleeps.delay()
    stage.tick_until(lambda: stage.worker._coroutines.running(), "it runs")
    (run,) = stage.worker._watch.held.values()
    stage.clock.advance(91)
    stage.adapter.touch_answer = False
    thief = stage.app.engine.adapter()
    _, stolen = thief.exchange([], ["default"], limit=1, timeout=0)

    stage.tick_until(lambda: stage.endings, "its end")

    assert (run.lost, cleaned.is_set(), stage.endings) == (True, True, ["lost"])
    assert (len(stolen), stage.state(ref.id)) == (1, "reserved")  # the other one's, untouched
    thief.close()


class Touches:
    """An adapter that does nothing but renew leases."""

    def __init__(self) -> None:
        self.answer: object = True
        self.error: Exception | None = None
        self.asked: list[list[int]] = []

    def touch(self, jobs: Sequence[Job]) -> list[object]:
        if self.error is not None:
            raise self.error
        self.asked.append([job.number for job in jobs])
        return [self.answer for _ in jobs]


class Watched:
    """A watch over real pools, and a clock that only the test moves."""

    def __init__(self) -> None:
        self.clock, self.adapter = ManualClock(), Touches()
        self.threads = ThreadPool(2, self.clock, lambda: None)
        self.coroutines = CoroutinePool(2, self.clock, lambda: None)
        self.watch = Watch(self.adapter, self.clock, self.threads, self.coroutines)  # type: ignore[arg-type]

    def given_up(self) -> list[Run]:
        return [run for run, _ in self.watch.past_saving(self.clock.monotonic())]

    def begun(self, run: Run) -> Run:
        self.watch.begin(run, self.clock.monotonic())
        pool: ThreadPool | CoroutinePool = self.threads
        if run.job_type.is_async:
            pool = self.coroutines
            self.coroutines.submit([run])
        else:
            self.threads.submit([run], wake=1)
        until(lambda: run in pool.running(), "it runs")
        return run


@pytest.fixture
def watched() -> Iterator[Watched]:
    found = Watched()
    yield found
    found.threads.stop()
    found.coroutines.stop()


def test_only_leases_that_are_due_are_renewed_and_then_rest_for_a_third(watched: Watched) -> None:
    watch, clock, asked = watched.watch, watched.clock, watched.adapter.asked
    watch.begin(run_of(number=1), clock.monotonic())
    clock.advance(15)
    watch.begin(run_of(number=2), clock.monotonic())

    for _ in range(8):  # every 5 s, with a third of the lease at 20 s
        clock.advance(5)
        watch.renew(clock.monotonic())

    assert asked == [[1], [2], [1], [2]]


def test_a_lease_that_is_lost_is_not_asked_for_again(watched: Watched) -> None:
    run = run_of(number=1)
    watched.watch.begin(run, watched.clock.monotonic())
    watched.adapter.answer = False
    for _ in range(3):
        watched.clock.advance(30)
        watched.watch.renew(watched.clock.monotonic())

    assert (run.lost, watched.adapter.asked) == (True, [[1]])
    assert watched.watch.is_held(run)  # until it is over: its thread still runs it


def test_a_job_that_comes_again_is_held_by_its_new_run_only(watched: Watched) -> None:
    lost, again = run_of(number=1), run_of(number=1)
    watched.watch.begin(lost, 0.0)
    watched.watch.begin(again, 1.0)

    watched.watch.end(lost)

    assert (watched.watch.is_held(lost), watched.watch.is_held(again)) == (False, True)


def test_it_looks_four_times_a_second_and_not_where_nothing_is_held(watched: Watched) -> None:
    watch = watched.watch
    assert not watch.is_due(10.0)
    watch.begin(run_of(), 10.0)

    looks = [n / 100 for n in range(1000, 1100) if watch.is_due(n / 100)]

    assert looks == [10.0, 10.25, 10.5, 10.75]


def test_a_thread_that_does_not_hear_is_given_up_after_two_seconds(watched: Watched) -> None:
    go = threading.Event()
    run = watched.begun(run_of(lambda: go.wait(10), timeout=30.0))

    watched.clock.advance(30)
    assert (watched.given_up(), run.over_time) == ([], False)
    watched.clock.advance(1)
    assert (watched.given_up(), run.over_time) == ([], True)
    watched.clock.advance(2)
    assert watched.given_up() == []
    watched.clock.advance(0.5)
    assert watched.given_up() == [run]
    assert (watched.given_up(), watched.threads.running()) == ([], [])
    go.set()


def test_a_thread_in_which_pulpo_is_at_work_is_told_later_or_given_up(watched: Watched) -> None:
    go, inside = threading.Event(), threading.Event()

    def publishes() -> None:
        assert run.shield is not None
        with run.shield:
            inside.set()
            go.wait(10)

    run = run_of(publishes, timeout=30.0)
    watched.begun(run)
    assert inside.wait(5)

    watched.clock.advance(31)
    assert watched.given_up() == []
    watched.clock.advance(3)
    assert (watched.given_up(), run.over_time) == ([], False)
    watched.clock.advance(2)
    assert (watched.given_up(), run.over_time) == ([run], False)
    go.set()


def test_a_coroutine_that_swallows_its_end_is_given_up(watched: Watched) -> None:
    go, gone = threading.Event(), threading.Event()

    async def stubborn() -> None:
        while not go.is_set():
            try:
                await asyncio.sleep(0.005)
            except asyncio.CancelledError:
                continue
        gone.set()

    run = watched.begun(run_of(stubborn, timeout=30.0, is_async=True))
    watched.clock.advance(31)
    assert watched.given_up() == []
    watched.clock.advance(2.5)

    assert watched.given_up() == [run]
    assert watched.coroutines.running() == []
    go.set()
    assert gone.wait(5)


def test_a_suspect_keeps_its_time_in_its_own_process(watched: Watched) -> None:
    go = threading.Event()
    run = run_of(lambda: go.wait(10), timeout=30.0)
    run.isolated = True
    watched.begun(run)

    watched.clock.advance(3_600)

    assert (watched.given_up(), run.over_time) == ([], False)
    go.set()


def test_a_lease_that_is_confirmed_after_all_is_ours_again(make_stage: Make) -> None:
    stage, go = make_stage(burst=False), threading.Event()
    ref = held(stage, go, ttr=90)
    stage.adapter.touch_answer = QueueUnavailableError("no answer")
    (run,) = stage.worker._watch.held.values()
    for _ in range(4):
        stage.clock.advance(29)
        stage.worker.tick()
    assert run.lost

    stage.adapter.touch_answer = True
    stage.clock.advance(1)
    stage.worker.tick()

    assert not run.lost
    go.set()
    stage.tick_until(lambda: stage.endings == ["success"], "its success")
    assert stage.state(ref) == "gone"


def test_a_coroutine_that_was_cut_for_a_doubt_goes_back_when_the_doubt_is_over(
    make_stage: Make,
) -> None:
    stage, started = make_stage(burst=False), threading.Event()

    @stage.app.job(type="sleeps", ttr=90, retries=0)
    async def sleeps() -> None:
        started.set()
        await asyncio.sleep(60)

    ref = sleeps.delay()
    stage.tick_until(started.is_set, "it runs")
    stage.adapter.touch_answer = QueueUnavailableError("no answer")
    for _ in range(4):
        stage.clock.advance(29)
        stage.worker.tick()
    stage.adapter.touch_answer = True
    stage.clock.advance(1)
    stage.worker.stopped.set()
    stage.tick_until(lambda: stage.endings, "its end")

    assert (stage.endings, stage.state(ref.id)) == (["released"], "ready")
    assert "failures" not in stage.headers(ref.id)


def test_a_queue_out_of_reach_does_not_keep_time_limits_from_being_kept(watched: Watched) -> None:
    run = run_of(timeout=5)
    watched.watch.begin(run, 0.0)
    watched.adapter.error = QueueUnavailableError("away")

    watched.watch.renew(30.0)

    assert not run.lost
    watched.watch.renew(100.0)
    assert run.lost
