"""The lease: who holds a job, for how long, and what is answered to one who has lost it."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from pulpo.adapter import QueueAdapter
from pulpo.contract.stage import Stage
from pulpo.job import Job, JobState, NewJob, Settlement, Verb

__all__ = ["LeaseContract"]


def lose(stage: Stage) -> tuple[NewJob, Job, Job, QueueAdapter]:
    """Let another owner take a job whose lease ran out; return it as each owner holds it."""
    new, job = stage.running("lost", ttr=stage.lease)
    stage.expire_lease(stage.owner, job)
    successor = stage.open()
    return new, job, stage.take(by=successor), successor


class LeaseContract:
    """Tests of `touch`, of leases that run out, of closing, and of several owners."""

    def test_a_job_whose_lease_ran_out_is_ready(self, stage: Stage) -> None:
        new, job = stage.running(ttr=stage.lease)

        stage.expire_lease(stage.owner, job)

        assert stage.state(new) is JobState.READY
        assert (stage.stats().ready, stage.stats().reserved) == (1, 0)

    def test_a_job_whose_lease_ran_out_goes_to_another(self, stage: Stage) -> None:
        new, _, taken, _ = lose(stage)

        assert taken.body == new.body

    @pytest.mark.parametrize("verb", list(Verb))
    def test_who_lost_the_lease_settles_nothing(self, stage: Stage, verb: Verb) -> None:
        new, job, taken, successor = lose(stage)

        late = Settlement(verb, job, rewritten=stage.rewrite(new, "too late"))
        assert stage.settle(late) == [False]

        assert stage.state(new) is JobState.RESERVED
        assert stage.settle(Settlement(Verb.DELETE, taken), by=successor) == [True]
        assert stage.admin.peek([new.id]) == [None]

    def test_who_lost_the_lease_touches_nothing(self, stage: Stage) -> None:
        _, job, taken, successor = lose(stage)

        assert list(stage.owner.touch([job])) == [False]
        assert list(successor.touch([taken])) == [True]

    def test_closing_after_a_lost_lease_takes_nothing_from_the_new_owner(
        self, stage: Stage
    ) -> None:
        new, _, taken, successor = lose(stage)

        stage.owner.close()

        assert stage.state(new) is JobState.RESERVED
        assert stage.settle(Settlement(Verb.DELETE, taken), by=successor) == [True]

    def test_an_owner_is_not_handed_again_what_it_still_runs(self, stage: Stage) -> None:
        new, job = stage.running(ttr=stage.lease)
        stage.expire_lease(stage.owner, job)

        assert stage.reserve(limit=2) == []

        assert stage.settle(Settlement(Verb.DELETE, job)) == [True]
        assert stage.admin.peek([new.id]) == [None]

    def test_an_owner_is_not_handed_again_what_it_still_runs_after_others_came_by(
        self, stage: Stage
    ) -> None:
        new, job = stage.running(ttr=stage.lease)
        stage.expire_lease(stage.owner, job)
        stage.reserve(by=stage.open(), queues=[stage.other])
        stage.admin.kick_all(stage.other)

        assert stage.reserve(limit=2) == []
        assert stage.state(new) is JobState.RESERVED

        assert stage.settle(Settlement(Verb.DELETE, job)) == [True]
        assert stage.admin.peek([new.id]) == [None]

    def test_a_receipt_that_was_settled_says_nothing_of_the_next_run(self, stage: Stage) -> None:
        new, first = stage.running()
        stage.settle(Settlement(Verb.RELEASE, first))
        second = stage.take()

        assert stage.settle(Settlement(Verb.DELETE, first)) == [False]
        assert list(stage.owner.touch([first, second])) == [False, True]
        stage.owner.leave([first])

        assert stage.state(new) is JobState.RESERVED
        assert stage.settle(Settlement(Verb.DELETE, second)) == [True]

    def test_touch_answers_for_each_job_in_its_place(self, stage: Stage) -> None:
        stage.put(*stage.jobs("a", "b", "c"))
        a, b, c = stage.reserve(limit=3)
        stage.settle(Settlement(Verb.DELETE, b))

        assert list(stage.owner.touch([a, b, c])) == [True, False, True]

    def test_touching_nothing_answers_nothing(self, stage: Stage) -> None:
        assert list(stage.owner.touch([])) == []

    def test_a_touched_job_is_still_held(self, stage: Stage) -> None:
        new, job = stage.running()

        assert list(stage.owner.touch([job, job])) == [True, True]
        assert stage.state(new) is JobState.RESERVED
        assert stage.settle(Settlement(Verb.DELETE, job)) == [True]

    def test_touch_starts_the_lease_anew(self, stage: Stage) -> None:
        _, job = stage.running(ttr=2.0)
        other = stage.open()

        stage.advance(1.2)
        assert list(stage.owner.touch([job])) == [True]
        stage.advance(1.2)

        assert stage.reserve(by=other) == []
        assert stage.settle(Settlement(Verb.DELETE, job)) == [True]

    def test_a_long_lease_does_not_run_out_early(self, stage: Stage) -> None:
        new, job = stage.running(ttr=60.0)

        stage.advance(stage.tick)

        assert stage.reserve(by=stage.open()) == []
        assert stage.state(new) is JobState.RESERVED
        assert stage.settle(Settlement(Verb.DELETE, job)) == [True]

    def test_closing_gives_back_at_once_what_is_held(self, stage: Stage) -> None:
        stage.put(*stage.jobs("a", "b", "c"))
        assert len(stage.reserve(limit=3)) == 3
        successor = stage.open()

        stage.owner.close()

        assert stage.drain(by=successor) == ["a", "b", "c"]

    def test_closing_gives_nothing_back_that_was_settled(self, stage: Stage) -> None:
        _, job = stage.running()
        stage.settle(Settlement(Verb.DELETE, job))
        successor = stage.open()

        stage.owner.close()

        assert stage.reserve(by=successor) == []

    def test_jobs_that_were_put_outlive_their_producer(self, stage: Stage) -> None:
        producer = stage.open()
        producer.put([stage.job("still here")])

        producer.close()

        assert stage.drain() == ["still here"]

    def test_closing_one_owner_leaves_the_jobs_of_another(self, stage: Stage) -> None:
        stage.put(*stage.jobs("mine", "yours"))
        other = stage.open()
        mine, yours = stage.take(), stage.take(by=other)

        stage.owner.close()

        assert stage.settle(Settlement(Verb.DELETE, yours), by=other) == [True]
        assert stage.take(by=other).body == mine.body

    def test_two_owners_never_hold_the_same_job(self, stage: Stage) -> None:
        stage.put(*stage.jobs("a", "b", "c", "d"))
        other = stage.open()

        mine = stage.reserve(limit=2)
        yours = stage.reserve(limit=4, by=other)

        texts = [stage.text(job) for job in (*mine, *yours)]
        assert texts == ["a", "b", "c", "d"]

    def test_owners_that_race_run_each_job_once(self, stage: Stage) -> None:
        expected = [str(number) for number in range(200)]
        stage.put(*stage.jobs(*expected))

        def drain(_: int) -> list[str]:
            adapter = stage.engine.adapter()
            try:
                return stage.drain(by=adapter)
            finally:
                adapter.close()

        with ThreadPoolExecutor(4) as pool:
            texts = [text for drained in pool.map(drain, range(4)) for text in drained]

        assert sorted(texts) == sorted(expected)
