"""What a job that waits becomes where another one comes that needs its key."""

from __future__ import annotations

from dataclasses import replace

from pulpo.contract.keys import Keys, becomes, guarded, is_free, is_held, put, running
from pulpo.contract.stage import Stage
from pulpo.errors import JobTooBigError
from pulpo.job import Existing, JobState, ListedJob, NewJob, Settlement, Verb

__all__ = ["BecomingContract"]


class BecomingContract(Keys):
    """Tests of `Guard.instead`."""

    def test_a_job_that_waits_may_become_another_one(self, stage: Stage, key: str) -> None:
        first = guarded(stage, key, "old", delay=3_600.0)
        put(stage, first)

        answers = put(stage, guarded(stage, key, "new", instead=becomes(stage, "new", priority=7)))

        assert answers == [Existing(first.id, stage.queue)]
        found = stage.seen(first)
        assert (stage.text(found), found.state, found.priority) == ("new", JobState.READY, 7)
        assert stage.drain() == ["new"]

    def test_what_it_becomes_may_be_later_and_elsewhere(self, stage: Stage, key: str) -> None:
        first = guarded(stage, key, "old")
        put(stage, first)
        instead = becomes(stage, "new", queue=stage.other, delay=3_600.0)

        answers = put(stage, guarded(stage, key, instead=instead))

        assert answers == [Existing(first.id, stage.other)]
        found = stage.seen(first)
        assert (found.queue, found.state) == (stage.other, JobState.DELAYED)
        assert stage.reserve() == []
        assert put(stage, guarded(stage, key)) == answers

    def test_a_job_that_is_being_run_stays_as_it_is(self, stage: Stage, key: str) -> None:
        first, job = running(stage, key)

        answers = put(stage, guarded(stage, key, instead=becomes(stage, "new")))

        assert answers == [Existing(first.id, stage.queue)]
        assert stage.settle(Settlement(Verb.DELETE, job)) == [True]
        assert stage.reserve() == []

    def test_what_it_would_become_may_be_too_large(self, stage: Stage, key: str) -> None:
        first = guarded(stage, key, "old")
        put(stage, first)
        most = stage.owner.capabilities.max_body

        def large(holder: ListedJob) -> NewJob:
            return replace(first, id=holder.id, body=b"x" * (most + 1))

        (answer,) = put(stage, guarded(stage, key, instead=large))

        assert isinstance(answer, JobTooBigError)
        assert stage.drain() == ["old"]

    def test_a_job_that_became_another_one_holds_its_key(self, stage: Stage, key: str) -> None:
        first = guarded(stage, key)
        put(stage, first)
        put(stage, guarded(stage, key, instead=becomes(stage, "new")))

        assert is_held(stage, key, by=first)
        stage.drain()
        assert is_free(stage, key)

    def test_a_holder_for_a_time_may_become_another_one(self, stage: Stage, key: str) -> None:
        first = guarded(stage, key, "old", until=60.0)
        put(stage, first)
        again = guarded(stage, key, until=60.0, instead=becomes(stage, "new"))

        assert put(stage, again) == [Existing(first.id, stage.queue)]
        assert stage.drain() == ["new"]
        assert put(stage, again) == [Existing(first.id, stage.queue)]
        assert stage.reserve() == []
