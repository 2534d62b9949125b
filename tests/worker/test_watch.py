"""Leases and limits of what a process holds, on a clock that only the test moves."""

from __future__ import annotations

import threading
from collections.abc import Callable

from tests.worker.stage import Stage

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
