"""Queues from which nobody may reserve for a while."""

from __future__ import annotations

from pulpo.contract.stage import Stage
from pulpo.job import JobState, Settlement, Verb

__all__ = ["PauseContract"]


class PauseContract:
    """Tests of `pause` and `resume`."""

    def test_nothing_is_reserved_from_a_paused_queue(self, stage: Stage) -> None:
        job = stage.job()
        stage.put(job)

        stage.admin.pause(stage.queue)

        assert stage.reserve() == []
        assert stage.state(job) is JobState.READY

    def test_a_resumed_queue_gives_its_jobs(self, stage: Stage) -> None:
        stage.put(stage.job("a"))
        stage.admin.pause(stage.queue)

        stage.admin.resume(stage.queue)

        assert stage.drain() == ["a"]

    def test_a_pause_with_an_end_ends(self, stage: Stage) -> None:
        stage.put(stage.job("after"))
        stage.admin.pause(stage.queue, stage.tick)
        assert stage.reserve() == []

        stage.advance(stage.tick)

        assert stage.text(stage.take()) == "after"
        assert stage.stats().paused is False

    def test_a_pause_is_shown(self, stage: Stage) -> None:
        stage.put(stage.job())
        assert stage.stats().paused is False

        stage.admin.pause(stage.queue)

        assert stage.stats().paused is True
        assert stage.stats().ready == 1

    def test_the_end_of_a_pause_is_shown(self, stage: Stage) -> None:
        stage.put(stage.job())

        stage.admin.pause(stage.queue, 600.0)

        left = stage.stats().pause_left
        assert left is not None
        assert 500 < left <= 601

    def test_a_pause_without_an_end_shows_none(self, stage: Stage) -> None:
        stage.put(stage.job())

        stage.admin.pause(stage.queue)

        assert stage.stats().pause_left is None

    def test_a_resumed_queue_is_not_shown_as_paused(self, stage: Stage) -> None:
        stage.put(stage.job())
        stage.admin.pause(stage.queue)

        stage.admin.resume(stage.queue)

        assert (stage.stats().paused, stage.stats().pause_left) == (False, None)

    def test_a_second_pause_takes_the_place_of_the_first(self, stage: Stage) -> None:
        stage.put(stage.job())
        stage.admin.pause(stage.queue)

        stage.admin.pause(stage.queue, 600.0)

        assert stage.stats().pause_left is not None

    def test_other_queues_go_on(self, stage: Stage) -> None:
        stage.put(stage.job("paused", priority=0), stage.job("other", queue=stage.other))

        stage.admin.pause(stage.queue)

        assert stage.drain(stage.queue, stage.other) == ["other"]

    def test_jobs_are_put_into_a_paused_queue(self, stage: Stage) -> None:
        stage.put(stage.job("a"))
        stage.admin.pause(stage.queue)

        stage.put(stage.job("b"))

        assert stage.stats().ready == 2

    def test_a_job_that_runs_is_settled_in_a_paused_queue(self, stage: Stage) -> None:
        stage.put(*stage.jobs("a", "b"))
        job = stage.take()
        stage.admin.pause(stage.queue)

        assert stage.settle(Settlement(Verb.DELETE, job)) == [True]

    def test_resuming_a_queue_that_is_not_paused_does_nothing(self, stage: Stage) -> None:
        stage.put(stage.job("a"))

        stage.admin.resume(stage.queue)
        stage.admin.resume(stage.other)

        assert stage.drain() == ["a"]
