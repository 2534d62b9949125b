"""A sample out of all jobs, and how many go before one."""

from __future__ import annotations

from pulpo.contract.stage import Stage
from pulpo.job import JobState, NewJob

__all__ = ["SamplingContract"]


class SamplingContract:
    """Tests of `QueueAdmin.sample` and `QueueAdmin.ahead`."""

    def test_a_sample_to_the_end_meets_every_job_in_any_state(self, stage: Stage) -> None:
        buried = stage.buried()
        reserved, _ = stage.running()
        ready, delayed = stage.job(), stage.job(delay=3_600.0, queue=stage.other)
        stage.put(ready, delayed)

        met = [
            (job.id, job.queue, job.state)
            for page in stage.admin.sample()
            for job in page
            if job.queue in (stage.queue, stage.other)
        ]

        assert sorted(met, key=str) == sorted(
            [
                (buried.id, stage.queue, JobState.BURIED),
                (reserved.id, stage.queue, JobState.RESERVED),
                (ready.id, stage.queue, JobState.READY),
                (delayed.id, stage.other, JobState.DELAYED),
            ],
            key=str,
        )

    def test_a_sample_goes_through_many_pages_and_shows_bodies(self, stage: Stage) -> None:
        texts = [str(number) for number in range(1_100)]
        stage.put(*stage.jobs(*texts))

        met = [
            stage.text(job)
            for page in stage.admin.sample()
            for job in page
            if job.queue == stage.queue
        ]

        assert sorted(met, key=int) == texts

    def test_jobs_that_come_and_go_do_not_stop_a_sample(self, stage: Stage) -> None:
        first = stage.jobs(*map(str, range(600)))
        stage.put(*first)
        sample = stage.admin.sample()
        page = next(sample)
        stage.put(stage.job("late"))
        gone = [job.id for job in first[::2]]
        stage.admin.delete(gone)

        met = {job.id for jobs in [page, *sample] for job in jobs}

        assert {job.id for job in first[1::2]} <= met

    def test_what_goes_before_a_job_is_counted(self, stage: Stage) -> None:
        last, first = stage.job(), stage.job(priority=1)
        other = stage.job(queue=stage.other, priority=0)
        stage.put(*stage.jobs("a", "b"), last, first, stage.job(), other)
        stage.put(stage.job(delay=3_600.0, priority=0))

        assert self._ahead(stage, last) == (3, 3)
        assert self._ahead(stage, first) == (0, 0)

    @staticmethod
    def _ahead(stage: Stage, job: NewJob) -> tuple[int, int]:
        return stage.admin.ahead(stage.seen(job))
