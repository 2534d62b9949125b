"""Jobs that an operator puts aside while they wait."""

from __future__ import annotations

from pulpo.contract.stage import Stage
from pulpo.identity import new_id
from pulpo.job import JobState

__all__ = ["BuryingContract"]


class BuryingContract:
    """Tests of `QueueAdmin.bury`."""

    def test_a_ready_job_that_was_buried_is_not_run(self, stage: Stage) -> None:
        job = stage.job("aside")
        stage.put(job, stage.job("other"))

        assert list(stage.admin.bury([job.id])) == [True]

        assert stage.state(job) is JobState.BURIED
        assert stage.drain() == ["other"]

    def test_a_delayed_job_that_was_buried_does_not_become_ready(self, stage: Stage) -> None:
        job = stage.job(delay=stage.tick)
        stage.put(job)

        assert list(stage.admin.bury([job.id])) == [True]
        stage.advance(2 * stage.tick)

        assert stage.state(job) is JobState.BURIED
        assert stage.drain() == []

    def test_a_job_that_an_operator_buried_is_kicked_as_it_was(self, stage: Stage) -> None:
        job = stage.job("urgent", priority=3)
        stage.put(job, stage.job("plain", priority=5))
        stage.admin.bury([job.id])

        assert stage.admin.kick_all(stage.queue) == 1
        assert stage.drain() == ["urgent", "plain"]

    def test_a_buried_a_reserved_and_an_absent_job_are_not_buried(self, stage: Stage) -> None:
        reserved, _ = stage.running()
        buried = stage.buried()

        assert list(stage.admin.bury([buried.id, reserved.id, new_id()])) == [False, False, False]
        assert stage.state(reserved) is JobState.RESERVED

    def test_bury_answers_for_each_id_in_its_place(self, stage: Stage) -> None:
        ready, delayed = stage.job(), stage.job(delay=3_600.0)
        stage.put(ready, delayed)

        assert list(stage.admin.bury([])) == []
        assert list(stage.admin.bury([new_id(), delayed.id, ready.id])) == [False, True, True]
