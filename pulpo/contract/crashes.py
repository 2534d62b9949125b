"""Runs that ended without a word: their jobs come back, and are counted."""

from __future__ import annotations

from pulpo.contract.stage import Stage
from pulpo.job import Job, JobState, NewJob, Settlement, Verb

__all__ = ["CrashContract"]


def after_crashes(stage: Stage, count: int) -> tuple[NewJob, Job]:
    """Put a job, let so many owners die of it, and reserve it."""
    new = stage.job("deadly")
    stage.put(new)
    for _ in range(count):
        victim = stage.open()
        stage.take(by=victim)
        stage.crash(victim)
    return new, stage.take()


class CrashContract:
    """Tests of `crashes`, and of what a dead owner leaves behind."""

    def test_a_first_run_has_no_crashes(self, stage: Stage) -> None:
        _, job = stage.running()

        assert list(stage.owner.crashes([job])) == [0]

    def test_the_job_of_a_dead_owner_is_ready(self, stage: Stage) -> None:
        new = stage.job()
        stage.put(new)
        victim = stage.open()
        stage.take(by=victim)

        stage.crash(victim)

        assert stage.state(new) is JobState.READY
        assert (stage.stats().ready, stage.stats().reserved) == (1, 0)

    def test_the_urgent_job_of_a_dead_owner_is_not_passed_over(self, stage: Stage) -> None:
        stage.running("the owner works")  # it has seen to the dead before
        stage.put(stage.job("urgent", priority=0), *stage.jobs("a", "b", "c"))
        victim = stage.open()
        stage.take(by=victim)
        stage.crash(victim)
        stage.advance(stage.tick)

        assert stage.text(stage.take()) == "urgent"

    def test_an_operator_sees_that_a_run_ended_without_a_word(self, stage: Stage) -> None:
        new = stage.job()
        stage.put(new)
        victim = stage.open()
        stage.take(by=victim)

        stage.crash(victim)

        assert stage.seen(new).crashes in (None, 1)

    def test_a_word_that_came_too_late_and_was_taken_is_a_word(self, stage: Stage) -> None:
        _, job = stage.running(ttr=stage.lease)
        stage.expire_lease(stage.owner, job)

        (taken,) = stage.settle(Settlement(Verb.RELEASE, job))

        again = stage.open()
        assert list(again.crashes([stage.take(by=again)])) == [0 if taken else 1]

    def test_every_job_of_a_dead_owner_comes_back(self, stage: Stage) -> None:
        stage.put(*stage.jobs("a", "b", "c"))
        victim = stage.open()
        assert len(stage.reserve(limit=3, by=victim)) == 3

        stage.crash(victim)

        assert stage.drain() == ["a", "b", "c"]

    def test_a_run_that_ended_without_a_word_is_counted(self, stage: Stage) -> None:
        _, job = after_crashes(stage, 1)

        assert list(stage.owner.crashes([job])) == [1]

    def test_every_run_that_ended_without_a_word_is_counted(self, stage: Stage) -> None:
        _, job = after_crashes(stage, 3)

        assert list(stage.owner.crashes([job])) == [3]

    def test_a_run_whose_lease_ran_out_is_counted(self, stage: Stage) -> None:
        _, job = stage.running(ttr=stage.lease)
        stage.expire_lease(stage.owner, job)
        successor = stage.open()

        again = stage.take(by=successor)

        assert list(successor.crashes([again])) == [1]

    def test_crashes_are_answered_for_each_job_in_its_place(self, stage: Stage) -> None:
        _, crashed = after_crashes(stage, 2)
        _, fresh = stage.running("fresh")

        assert list(stage.owner.crashes([fresh, crashed, fresh])) == [0, 2, 0]

    def test_asking_for_no_crashes_answers_nothing(self, stage: Stage) -> None:
        assert list(stage.owner.crashes([])) == []

    def test_a_run_that_its_owner_ends_on_purpose_is_no_crash(self, stage: Stage) -> None:
        new = stage.job("long")
        stage.put(new)
        for _ in range(3):  # as many deploys
            victim = stage.open()
            job = stage.take(by=victim)
            victim.leave([job])
            stage.crash(victim)

        assert list(stage.owner.crashes([stage.take()])) == [0]

    def test_leaving_one_job_on_purpose_says_nothing_of_the_others(self, stage: Stage) -> None:
        stage.put(*stage.jobs("left", "dead"))
        victim = stage.open()
        left, _ = stage.reserve(limit=2, by=victim)
        victim.leave([left])
        stage.crash(victim)

        counts = [list(stage.owner.crashes([stage.take()])) for _ in range(2)]
        assert counts == [[0], [1]]

    def test_a_job_that_was_settled_cannot_be_left(self, stage: Stage) -> None:
        _, job = stage.running()
        stage.settle(Settlement(Verb.DELETE, job))

        stage.owner.leave([job])

        assert stage.stats().ready == 0

    def test_a_release_is_no_crash(self, stage: Stage) -> None:
        _, job = stage.running()
        for _ in range(3):
            stage.settle(Settlement(Verb.RELEASE, job))
            job = stage.take()

        assert list(stage.owner.crashes([job])) == [0]

    def test_a_release_forgets_no_crash(self, stage: Stage) -> None:
        _, job = after_crashes(stage, 1)

        stage.settle(Settlement(Verb.RELEASE, job))

        assert list(stage.owner.crashes([stage.take()])) == [1]

    def test_a_retry_is_no_crash(self, stage: Stage) -> None:
        new, job = stage.running()
        for number in range(3):
            rewritten = stage.rewrite(new, f"retry {number}")
            stage.settle(Settlement(Verb.REPLACE, job, rewritten=rewritten))
            job = stage.take()

        assert list(stage.owner.crashes([job])) == [0]

    def test_a_retry_starts_the_count_anew(self, stage: Stage) -> None:
        new, job = after_crashes(stage, 2)

        stage.settle(Settlement(Verb.REPLACE, job, rewritten=stage.rewrite(new, "it lives")))

        assert list(stage.owner.crashes([stage.take()])) == [0]

    def test_a_buried_job_that_was_kicked_starts_the_count_anew(self, stage: Stage) -> None:
        new, job = after_crashes(stage, 2)
        stage.settle(Settlement(Verb.BURY, job, rewritten=new))

        assert list(stage.admin.kick([new.id])) == [True]

        assert list(stage.owner.crashes([stage.take()])) == [0]

    def test_a_kick_is_no_crash(self, stage: Stage) -> None:
        job = stage.job(delay=3_600.0)
        stage.put(job)

        stage.admin.kick([job.id])

        assert list(stage.owner.crashes([stage.take()])) == [0]

    def test_a_reserved_job_brings_its_crashes_where_the_engine_says_so(self, stage: Stage) -> None:
        _, job = after_crashes(stage, 1)

        told = 1 if stage.owner.capabilities.counts_crashes else None
        assert job.crashes == told

    def test_a_dead_owner_takes_no_buried_job_with_it(self, stage: Stage) -> None:
        new = stage.job()
        stage.put(new)
        victim = stage.open()
        stage.settle(Settlement(Verb.BURY, stage.take(by=victim), rewritten=new), by=victim)

        stage.crash(victim)

        assert stage.state(new) is JobState.BURIED
