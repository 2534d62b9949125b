"""The worker of a test publishes what schedules have due, by the clock that the test moves."""

from __future__ import annotations

import time
from datetime import timedelta
from pathlib import Path

import pytest

import pulpo
from pulpo import Pulpo
from pulpo.testing import TrialQueue, trial
from tests.testing.conftest import ENGINES

pytestmark = pytest.mark.usefixtures("no_sleep")


def _minutes(queue: TrialQueue) -> float:
    """Minutes since the last full hour: what `every` counts by."""
    return queue.clock.wall() % 3_600.0 / 60.0


def _to_the_hour(queue: TrialQueue) -> None:
    queue.clock.advance(3_600.0 - queue.clock.wall() % 3_600.0)


def test_living_through_time_runs_each_tick_at_its_moment(app: Pulpo, queue: TrialQueue) -> None:
    seen = []

    @app.job(type="report", every="10m")
    def report() -> None:
        seen.append(_minutes(queue))

    _to_the_hour(queue)
    queue.drain()
    runs = queue.worker.run_for("35m")

    assert seen == pytest.approx([0.0, 10.0, 20.0, 30.0], abs=0.01)
    assert runs.succeeded == 3
    assert len(queue.published(report)) == 4
    assert len({job.id for job in queue.published(report)}) == 4


def test_cron_goes_by_the_time_of_its_zone(app: Pulpo, queue: TrialQueue) -> None:
    seen = []

    @app.job(cron="0 9 * * *", tz="Asia/Tokyo")
    def report() -> None:
        seen.append(queue.clock.now)

    queue.worker.run_for("3d")

    assert [(moment.hour, moment.minute) for moment in seen] == [(0, 0)] * 3


def test_a_moved_clock_is_a_time_when_no_worker_was_there(app: Pulpo, queue: TrialQueue) -> None:
    done = []

    @app.job(type="once", every="1h")
    def once() -> None:
        done.append("once")

    @app.job(type="all", every="1h", missed="all")
    def everything() -> None:
        done.append("all")

    _to_the_hour(queue)
    queue.clock.advance("5m")
    queue.drain()
    done.clear()
    queue.clock.advance("3h")
    queue.refute_published(once, due_in="1h")
    queue.drain()

    assert sorted(done) == ["all", "all", "all", "once"]


def test_a_schedule_that_was_declared_later_begins_then(app: Pulpo, queue: TrialQueue) -> None:
    done = []

    @app.job(every="1h")
    def first() -> None:
        done.append("first")

    queue.worker.run_for("2h")
    assert done == ["first"] * 2

    @app.job(type="second")
    def second(n: int) -> None:
        done.append(n)

    app.schedule(second, args=(7,), every="1h")
    queue.clock.advance("1h")
    queue.drain()

    assert sorted(done[2:], key=str) == [7, "first"]
    queue.assert_published(second, args=(7,), times=1)


def test_a_tick_that_waits_goes_on_when_the_last_job_is_done(app: Pulpo, queue: TrialQueue) -> None:
    runs = []
    _to_the_hour(queue)
    queue.clock.advance("55m")

    @app.job(every="10m", overlap="queue", backoff=["25m"])
    def slow() -> None:
        runs.append(_minutes(queue))
        if len(runs) == 1:
            raise ConnectionError("down")

    queue.worker.run_for("35m")

    # The second tick waits for the retry, and is published as soon as that is done.
    assert runs == pytest.approx([0.0, 25.0, 25.0, 30.0], abs=0.01)


def test_inline_a_tick_runs_when_the_clock_comes_to_it(app: Pulpo, queue: TrialQueue) -> None:
    seen, after = [], []
    _to_the_hour(queue)
    queue.run_inline()

    @app.job
    def mail() -> None:
        after.append(_minutes(queue))

    @app.job(every="20m")
    def report() -> None:
        seen.append(_minutes(queue))
        mail.delay()

    queue.clock.advance("50m")

    assert seen == after == pytest.approx([20.0, 40.0], abs=0.01)


def test_a_tick_that_the_app_refuses_fails_the_test(app: Pulpo, queue: TrialQueue) -> None:
    @app.around("publish")
    def refuse(message: pulpo.Message):
        raise LookupError("no tenant")
        yield message

    @app.job(type="report", every="1h")
    def report() -> None: ...

    queue.clock.advance("1h")

    with pytest.raises(
        AssertionError, match=r"a tick of schedule 'report' is not published yet: .*no tenant"
    ):
        queue.drain()


def test_what_a_test_has_declared_in_its_body_is_forgotten_with_it(app: Pulpo) -> None:
    with trial(app) as queue:

        @app.job(type="report", every="1h")
        def report() -> None: ...

        assert queue.worker.run_for("2h").succeeded == 2

    assert app.recurring.schedules() == ()
    with trial(app) as queue:

        @app.job(type="report", every="2h")
        def another() -> None: ...

        assert queue.worker.run_for("4h").succeeded == 2


def test_who_has_no_schedules_opens_nothing_for_them(
    app: Pulpo, queue: TrialQueue, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(app.recurring, "timekeeper", None)

    @app.job
    def job() -> None: ...

    job.delay()
    queue.clock.advance("1d")

    assert queue.drain().succeeded == 1


@pytest.mark.parametrize("url", ENGINES)
def test_a_delayed_retried_expiring_and_periodic_job_in_under_50_ms_without_sleeping(
    url: str, tmp_path: Path
) -> None:
    took = min(_the_whole_story(url, tmp_path / str(turn)) for turn in range(5))

    assert took < 0.05, f"it takes {1_000 * took:.0f} ms"


def _the_whole_story(url: str, folder: Path) -> float:
    app, began, done = Pulpo("memory://"), time.process_time(), []
    with trial(app, url, folder=folder) as queue:
        night = queue.clock.now.replace(hour=8, minute=0, second=0, microsecond=0)
        queue.clock.advance_to(night + timedelta(days=1))

        @app.job(type="report", cron="0 9 * * *", backoff=["10m"], expires="2h")
        def report() -> None:
            done.append((queue.clock.now.hour, queue.clock.now.minute))
            if pulpo.current_job().attempt == 1:
                raise ConnectionError("down")

        @app.job(type="remind", expires="1h")
        def remind(n: int) -> None:
            done.append(n)

        remind.schedule_in("30m", 1)  # delayed
        remind.schedule_in("59m", 2)  # and expiring
        queue.worker.run_for("30m")
        assert done == [1]
        queue.clock.advance("30m1s")
        queue.clock.advance("1m")
        runs = queue.worker.run_for("10m")  # periodic, and retried
        assert (runs.expired, runs.retried, runs.succeeded) == (1, 1, 1)
        assert done == [1, (9, 1), (9, 11)]
        queue.assert_published(report, times=1)
    return time.process_time() - began
