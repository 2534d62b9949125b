"""Jobs that wait for their time: never early, and in order once they are ready."""

from __future__ import annotations

from typing import Any

import pytest

from pulpo.contract.stage import Stage
from pulpo.job import JobState

__all__ = ["DelayContract"]

YEAR = 365 * 86_400.0


def wait_for_it(stage: Stage, **options: Any) -> tuple[float, float]:
    """Put a job and look for it all the time; return when it came, monotonic and wall."""
    step = stage.tick / 10
    stage.put(stage.job(**options))
    for _ in range(60):
        if stage.reserve():
            return stage.clock.monotonic(), stage.clock.wall()
        stage.advance(step)
    raise AssertionError("the job never came")


class DelayContract:
    """Tests of `delay` and `at`."""

    def test_a_delayed_job_is_not_reserved(self, stage: Stage) -> None:
        job = stage.job(delay=3_600.0)
        stage.put(job)

        assert stage.reserve() == []
        assert stage.state(job) is JobState.DELAYED

    def test_a_delayed_job_is_reserved_once_its_delay_is_over(self, stage: Stage) -> None:
        stage.put(stage.job("later", delay=stage.tick))
        assert stage.reserve() == []

        stage.advance(stage.tick)

        assert stage.text(stage.take()) == "later"

    @pytest.mark.parametrize("grains", [0.4, 1.5])
    def test_a_delay_is_never_early(self, stage: Stage, grains: float) -> None:
        delay, started = grains * stage.tick, stage.clock.monotonic()

        came, _ = wait_for_it(stage, delay=delay)

        # Two clocks that are slewed differ by less than this.
        assert came - started >= delay - 0.005

    def test_a_moment_is_never_early(self, stage: Stage) -> None:
        at = stage.clock.wall() + 1.2 * stage.tick

        _, came = wait_for_it(stage, at=at)

        assert came >= at - 0.005

    def test_a_job_for_a_moment_is_delayed_until_then(self, stage: Stage) -> None:
        job = stage.job(at=stage.clock.wall() + 3_600)
        stage.put(job)

        assert stage.reserve() == []
        assert stage.state(job) is JobState.DELAYED

    def test_a_job_for_a_moment_is_reserved_then(self, stage: Stage) -> None:
        stage.put(stage.job("now", at=stage.clock.wall() + stage.tick))

        stage.advance(stage.tick)

        assert stage.text(stage.take()) == "now"

    def test_a_moment_that_has_passed_is_now(self, stage: Stage) -> None:
        stage.put(stage.job("late", at=stage.clock.wall() - 86_400))

        assert stage.text(stage.take()) == "late"

    @pytest.mark.parametrize(("delay", "ahead"), [(3_600.0, -60.0), (0.0, 3_600.0)])
    def test_of_delay_and_moment_the_later_counts(
        self, stage: Stage, delay: float, ahead: float
    ) -> None:
        job = stage.job(delay=delay, at=stage.clock.wall() + ahead)
        stage.put(job)

        assert stage.reserve() == []
        assert stage.seen(job).due > 3_000

    def test_delayed_jobs_that_are_due_come_by_their_priority(self, stage: Stage) -> None:
        stage.put(
            stage.job("low", priority=9, delay=stage.tick),
            stage.job("high", priority=1, delay=stage.tick),
        )
        stage.put(stage.job("middle", priority=5))

        stage.advance(stage.tick * 1.5)

        assert stage.drain() == ["high", "middle", "low"]

    def test_a_delayed_job_does_not_hold_up_what_is_ready(self, stage: Stage) -> None:
        stage.put(stage.job("delayed", priority=0, delay=3_600.0), stage.job("ready"))

        assert stage.drain() == ["ready"]

    def test_an_operator_sees_how_long_a_delay_still_lasts(self, stage: Stage) -> None:
        job = stage.job(delay=1_000.0)
        stage.put(job)

        assert 900 < stage.seen(job).due <= 1_001

    def test_a_ready_job_is_due(self, stage: Stage) -> None:
        job = stage.job()
        stage.put(job)

        assert stage.seen(job).due == 0

    def test_a_delay_of_a_year_is_kept(self, stage: Stage) -> None:
        job = stage.job(delay=YEAR)
        stage.put(job)

        assert YEAR - 100 < stage.seen(job).due <= YEAR + 1

    def test_a_moment_in_a_year_is_kept(self, stage: Stage) -> None:
        job = stage.job(at=stage.clock.wall() + YEAR)
        stage.put(job)

        assert YEAR - 100 < stage.seen(job).due <= YEAR + 1
