"""Lists of jobs, as an operator asks for them."""

from __future__ import annotations

from pulpo.contract.stage import Stage
from pulpo.job import JobState

__all__ = ["ListingContract"]


class ListingContract:
    """Tests of `QueueAdmin.list`."""

    def test_ready_jobs_are_listed_in_the_order_in_which_they_would_run(self, stage: Stage) -> None:
        stage.put(stage.job("c"), stage.job("b", priority=9), stage.job("a", priority=1))
        stage.put(stage.job("d"))

        listed = stage.admin.list(stage.queue, JobState.READY)

        assert [stage.text(job) for job in listed] == ["a", "b", "c", "d"]

    def test_delayed_jobs_are_listed_in_the_order_in_which_they_are_due(self, stage: Stage) -> None:
        stage.put(
            stage.job("last", delay=900.0, priority=0),
            stage.job("first", delay=100.0),
            stage.job("middle", delay=500.0),
        )

        listed = stage.admin.list(stage.queue, JobState.DELAYED)

        assert [stage.text(job) for job in listed] == ["first", "middle", "last"]

    def test_a_list_holds_only_the_state_that_was_asked_for(self, stage: Stage) -> None:
        buried = stage.buried()
        reserved, _ = stage.running()
        ready, delayed = stage.job(), stage.job(delay=3_600.0)
        stage.put(ready, delayed)

        listed = {
            state: [job.id for job in stage.admin.list(stage.queue, state)] for state in JobState
        }

        assert listed == {
            JobState.READY: [ready.id],
            JobState.DELAYED: [delayed.id],
            JobState.RESERVED: [reserved.id],
            JobState.BURIED: [buried.id],
        }

    def test_a_list_without_a_state_holds_every_job_of_the_queue(self, stage: Stage) -> None:
        jobs = [stage.buried(), stage.running()[0], stage.job(), stage.job(delay=3_600.0)]
        stage.put(*jobs[2:], stage.job("elsewhere", queue=stage.other))

        listed = stage.admin.list(stage.queue)

        assert {job.id for job in listed} == {job.id for job in jobs}

    def test_a_list_without_a_queue_holds_the_jobs_of_all(self, stage: Stage) -> None:
        here, there = stage.job(), stage.job(queue=stage.other)
        stage.put(here, there)

        listed = {job.id: job.queue for job in stage.admin.list(limit=100_000)}

        assert (listed[here.id], listed[there.id]) == (stage.queue, stage.other)

    def test_a_list_has_a_limit(self, stage: Stage) -> None:
        stage.put(*stage.jobs(*"abcdefgh"))

        listed = stage.admin.list(stage.queue, JobState.READY, limit=3)

        assert [stage.text(job) for job in listed] == ["a", "b", "c"]

    def test_an_absent_queue_lists_nothing(self, stage: Stage) -> None:
        assert list(stage.admin.list(stage.queue)) == []
