"""How a reserved job ends or goes back: DELETE, RELEASE, batches, and answers in their places."""

from __future__ import annotations

from pulpo.contract.stage import Stage
from pulpo.job import JobState, Settlement, Verb

__all__ = ["SettlingContract"]


class SettlingContract:
    """Tests of settlements that need no rewritten job."""

    def test_a_reserved_job_is_not_handed_out_again(self, stage: Stage) -> None:
        job, _ = stage.running()

        assert stage.reserve() == []
        assert stage.reserve(by=stage.open()) == []
        assert stage.state(job) is JobState.RESERVED

    def test_a_deleted_job_is_gone(self, stage: Stage) -> None:
        new, job = stage.running()

        assert stage.settle(Settlement(Verb.DELETE, job)) == [True]
        assert stage.admin.peek([new.id]) == [None]

    def test_a_released_job_is_ready_at_once(self, stage: Stage) -> None:
        new, job = stage.running()

        assert stage.settle(Settlement(Verb.RELEASE, job)) == [True]
        assert stage.state(new) is JobState.READY

    def test_a_released_job_may_go_to_anybody(self, stage: Stage) -> None:
        _, job = stage.running("again")

        stage.settle(Settlement(Verb.RELEASE, job))

        assert stage.text(stage.take(by=stage.open())) == "again"

    def test_a_released_job_has_its_old_place(self, stage: Stage) -> None:
        stage.put(*stage.jobs("first", "second", "third"))

        stage.settle(Settlement(Verb.RELEASE, stage.take()))

        assert stage.drain() == ["first", "second", "third"]

    def test_a_released_job_keeps_its_priority_and_body(self, stage: Stage) -> None:
        stage.put(stage.job("plain", priority=5), stage.job("urgent", priority=3))
        job = stage.take()

        stage.settle(Settlement(Verb.RELEASE, job))

        again = stage.take()
        assert (again.body, again.number) == (job.body, job.number)

    def test_settling_and_reserving_go_together(self, stage: Stage) -> None:
        stage.put(*stage.jobs("a", "b"))
        first = stage.take()

        answers, jobs = stage.owner.exchange(
            [Settlement(Verb.DELETE, first)], [stage.queue], limit=5, timeout=0.0
        )

        assert list(answers) == [True]
        assert [stage.text(job) for job in jobs] == ["b"]

    def test_settlements_come_before_reserving(self, stage: Stage) -> None:
        _, job = stage.running("round")

        answers, jobs = stage.owner.exchange(
            [Settlement(Verb.RELEASE, job)], [stage.queue], limit=1, timeout=0.0
        )

        assert list(answers) == [True]
        assert [stage.text(job) for job in jobs] == ["round"]

    def test_a_released_job_comes_before_those_behind_it_in_the_same_exchange(
        self, stage: Stage
    ) -> None:
        stage.put(*stage.jobs("first", "second", "third"))
        job = stage.take()

        _, jobs = stage.owner.exchange(
            [Settlement(Verb.RELEASE, job)], [stage.queue], limit=2, timeout=0.0
        )

        assert [stage.text(job) for job in jobs] == ["first", "second"]

    def test_a_limit_of_zero_only_settles(self, stage: Stage) -> None:
        stage.put(*stage.jobs("a", "b"))
        job = stage.take()

        answers, jobs = stage.owner.exchange(
            [Settlement(Verb.DELETE, job)], [stage.queue], limit=0, timeout=0.0
        )

        assert (list(answers), list(jobs)) == ([True], [])
        assert stage.stats().ready == 1

    def test_an_empty_exchange_does_nothing(self, stage: Stage) -> None:
        answers, jobs = stage.owner.exchange([], [], limit=0, timeout=0.0)

        assert (list(answers), list(jobs)) == ([], [])

    def test_a_job_is_settled_only_once(self, stage: Stage) -> None:
        _, job = stage.running()

        assert stage.settle(Settlement(Verb.DELETE, job)) == [True]
        assert stage.settle(Settlement(Verb.DELETE, job)) == [False]

    def test_a_released_job_is_no_longer_this_owners_to_release(self, stage: Stage) -> None:
        new, job = stage.running()
        stage.settle(Settlement(Verb.RELEASE, job))

        assert stage.settle(Settlement(Verb.RELEASE, job)) == [False]
        assert stage.state(new) is JobState.READY

    def test_a_mixed_batch_does_each_thing(self, stage: Stage) -> None:
        new = stage.jobs("delete", "release", "replace", "bury")
        stage.put(*new)
        jobs = stage.reserve(limit=4)

        answers = stage.settle(
            Settlement(Verb.DELETE, jobs[0]),
            Settlement(Verb.RELEASE, jobs[1]),
            Settlement(
                Verb.REPLACE, jobs[2], rewritten=stage.rewrite(new[2], "replaced", delay=900.0)
            ),
            Settlement(Verb.BURY, jobs[3], rewritten=stage.rewrite(new[3], "buried")),
        )

        assert answers == [True, True, True, True]
        assert stage.admin.peek([new[0].id]) == [None]
        states = [stage.state(job) for job in new[1:]]
        assert states == [JobState.READY, JobState.DELAYED, JobState.BURIED]

    def test_a_failure_in_a_batch_is_answered_in_its_place(self, stage: Stage) -> None:
        new = stage.jobs("a", "b", "c")
        stage.put(*new)
        a, b, c = stage.reserve(limit=3)
        stage.settle(Settlement(Verb.DELETE, b))

        answers = stage.settle(
            Settlement(Verb.DELETE, a),
            Settlement(Verb.REPLACE, b, rewritten=stage.rewrite(new[1], "lost")),
            Settlement(Verb.DELETE, c),
        )

        assert answers == [True, False, True]
        assert stage.admin.peek([job.id for job in new]) == [None, None, None]

    def test_a_large_batch_of_settlements_is_answered_in_order(self, stage: Stage) -> None:
        stage.put(*stage.jobs(*(str(number) for number in range(300))))
        jobs = stage.reserve(limit=300)
        stage.settle(*(Settlement(Verb.DELETE, job) for job in jobs[::3]))

        answers = stage.settle(*(Settlement(Verb.DELETE, job) for job in jobs))

        assert answers == [number % 3 != 0 for number in range(300)]
        assert stage.stats().reserved == 0

    def test_jobs_may_be_settled_in_any_order(self, stage: Stage) -> None:
        stage.put(*stage.jobs("a", "b", "c"))
        a, b, c = stage.reserve(limit=3)

        assert stage.settle(Settlement(Verb.DELETE, c)) == [True]
        assert stage.settle(Settlement(Verb.DELETE, a), Settlement(Verb.DELETE, b)) == [True, True]
