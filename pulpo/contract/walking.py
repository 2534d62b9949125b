"""Walks over many jobs, and second looks at the jobs that they have shown."""

from __future__ import annotations

import pytest

from pulpo.contract.stage import Stage
from pulpo.identity import new_id
from pulpo.job import Act, Change, JobState, ListedJob, NewJob, Sighting

__all__ = ["WalkingContract"]

# More than one page of any engine.
MANY = 1_100


def walked(
    stage: Stage, state: JobState | None = None, queue: str | None = None
) -> list[ListedJob]:
    return [job for page in stage.admin.walk(queue or stage.queue, state) for job in page.jobs]


def sighting(stage: Stage, job: NewJob) -> Sighting:
    return stage.seen(job).sighting


class WalkingContract:
    """Tests of `QueueAdmin.walk`, `newest` and `look`."""

    @pytest.mark.parametrize("delay", [0.0, 3_600.0], ids=["ready", "delayed"])
    def test_a_walk_over_many_jobs_meets_each_once(self, stage: Stage, delay: float) -> None:
        ids = stage.put(*(stage.job(delay=delay, priority=n % 3) for n in range(MANY)))
        stage.put(stage.job(queue=stage.other, delay=delay))

        assert sorted(job.id for job in walked(stage)) == sorted(ids)

    def test_a_walk_meets_jobs_that_are_due_at_the_same_moment(self, stage: Stage) -> None:
        at = stage.clock.wall() + 3_600.0
        ids = stage.put(*(stage.job(at=at) for _ in range(MANY)))

        assert sorted(job.id for job in walked(stage, JobState.DELAYED)) == sorted(ids)

    def test_a_walk_is_narrowed_to_a_state(self, stage: Stage) -> None:
        buried, (reserved, _) = stage.buried(), stage.running()
        ready, delayed = stage.job(), stage.job(delay=3_600.0)
        stage.put(ready, delayed)

        found = {state: [job.id for job in walked(stage, state)] for state in JobState}

        assert found == {
            JobState.READY: [ready.id],
            JobState.DELAYED: [delayed.id],
            JobState.RESERVED: [reserved.id],
            JobState.BURIED: [buried.id],
        }

    def test_a_walk_shows_a_job_whose_delay_is_over_as_ready(self, stage: Stage) -> None:
        job, later = stage.job(delay=stage.tick), stage.job(delay=3_600.0)
        stage.put(job, later)

        stage.advance(stage.tick * 2)

        assert [found.id for found in walked(stage, JobState.READY)] == [job.id]
        assert [found.id for found in walked(stage, JobState.DELAYED)] == [later.id]

    def test_a_walk_over_all_queues_meets_the_jobs_of_each(self, stage: Stage) -> None:
        here, there = stage.job(), stage.job(queue=stage.other)
        stage.put(here, there)

        found = {job.id: job.queue for page in stage.admin.walk() for job in page.jobs}

        assert (found[here.id], found[there.id]) == (stage.queue, stage.other)

    def test_a_walk_for_a_type_leaves_none_of_it_out(self, stage: Stage) -> None:
        one, other = stage.job(type="one"), stage.job(type="other")
        stage.put(one, other)

        pages = stage.admin.walk(stage.queue, type="one")

        assert one.id in [job.id for page in pages for job in page.jobs]

    def test_a_walk_without_bodies_leads_to_the_same_jobs(self, stage: Stage) -> None:
        stage.put(*stage.jobs(*"abc"), stage.job(queue=stage.other))

        pages = stage.admin.walk(stage.queue, JobState.READY, bodies=False)
        seen = [Change(Act.DELETE, job.sighting) for page in pages for job in page.jobs]

        assert list(stage.admin.change(seen)) == [True] * 3
        assert (stage.stats().ready, stage.stats(stage.other).ready) == (0, 1)

    def test_a_walk_says_that_it_has_seen_everything(self, stage: Stage) -> None:
        stage.put(*stage.jobs("a", "b"))
        stage.buried()

        pages = list(stage.admin.walk(stage.queue))

        assert sum(len(page.jobs) for page in pages) == 3
        assert (pages[-1].unseen, pages[-1].seen >= 3) == (0, True)

    def test_a_walk_over_nothing_finds_nothing(self, stage: Stage) -> None:
        assert walked(stage) == []
        assert walked(stage, JobState.BURIED) == []

    def test_the_newest_jobs_come_first(self, stage: Stage) -> None:
        ids = stage.put(*stage.jobs("a", "b", "c"))

        found = [job.id for job in stage.admin.newest() if job.queue == stage.queue]

        assert found == list(reversed(ids))

    def test_the_newest_jobs_are_as_many_as_were_asked_for(self, stage: Stage) -> None:
        stage.put(*stage.jobs(*"abcdefgh"))

        assert 1 <= len(stage.admin.newest(3)) <= 3

    def test_a_job_that_was_seen_can_be_looked_at_again(self, stage: Stage) -> None:
        job, gone = stage.jobs("stays", "goes")
        stage.put(job, gone)
        seen = [sighting(stage, gone), sighting(stage, job)]
        stage.admin.delete([gone.id])

        none, again = stage.admin.look(seen)

        assert none is None
        assert again is not None
        assert (again.id, stage.text(again)) == (job.id, "stays")

    def test_another_job_is_not_taken_for_the_one_that_was_seen(self, stage: Stage) -> None:
        job = stage.job()
        stage.put(job)
        seen = sighting(stage, job)

        assert list(stage.admin.look([Sighting(new_id(), seen.number, seen.queue)])) == [None]

    def test_a_look_at_nothing_sees_nothing(self, stage: Stage) -> None:
        assert list(stage.admin.look([])) == []
