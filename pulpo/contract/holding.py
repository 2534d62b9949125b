"""How long a job holds its key: until it is done, has started, or for a time."""

from __future__ import annotations

from dataclasses import replace

import pytest

from pulpo.contract.keys import (
    HOLD,
    Keys,
    act,
    buried,
    guarded,
    is_free,
    is_held,
    kick,
    put,
    running,
)
from pulpo.contract.stage import Stage
from pulpo.job import Act, Existing, Guard, JobState, Settlement, Until, Verb

__all__ = ["HoldingContract"]


class HoldingContract(Keys):
    """Tests of `Guard.until`."""

    @pytest.mark.parametrize("verb", [Verb.RELEASE, Verb.REPLACE])
    def test_a_key_is_held_over_all_runs(self, stage: Stage, key: str, verb: Verb) -> None:
        first, job = running(stage, key)
        assert is_held(stage, key, by=first)

        again = stage.rewrite(first, "again") if verb is Verb.REPLACE else None
        assert stage.settle(Settlement(verb, job, rewritten=again)) == [True]

        assert is_held(stage, key, by=first)
        stage.take()
        assert is_held(stage, key, by=first)

    def test_a_key_is_held_by_a_job_that_waits_for_its_time(self, stage: Stage, key: str) -> None:
        first = guarded(stage, key, delay=3_600.0)
        put(stage, first)

        assert is_held(stage, key, by=first)

    def test_a_retry_with_a_delay_holds_the_key(self, stage: Stage, key: str) -> None:
        first, job = running(stage, key)
        later = stage.rewrite(first, "later", delay=3_600.0)

        assert stage.settle(Settlement(Verb.REPLACE, job, rewritten=later)) == [True]

        assert is_held(stage, key, by=first)

    def test_a_key_is_free_once_its_job_is_deleted(self, stage: Stage, key: str) -> None:
        _, job = running(stage, key)

        assert stage.settle(Settlement(Verb.DELETE, job)) == [True]

        assert is_free(stage, key)

    def test_many_that_are_settled_at_once_free_their_keys(self, stage: Stage, key: str) -> None:
        keys = [f"{key}-{n}" for n in range(5)]
        put(stage, *(guarded(stage, each) for each in keys))
        jobs = stage.reserve(limit=5)

        stage.settle(*(Settlement(Verb.DELETE, job) for job in jobs))

        assert all(is_free(stage, each) for each in keys)

    def test_a_key_is_held_though_its_owner_died(self, stage: Stage, key: str) -> None:
        owner = stage.open()
        first = guarded(stage, key)
        put(stage, first)
        stage.take(by=owner)

        stage.crash(owner)

        assert is_held(stage, key, by=first)
        stage.settle(Settlement(Verb.DELETE, stage.take()))
        assert is_free(stage, key)

    def test_a_buried_job_frees_its_key(self, stage: Stage, key: str) -> None:
        buried(stage, key)

        assert is_free(stage, key)

    def test_an_operator_who_buries_a_job_frees_its_key(self, stage: Stage, key: str) -> None:
        first = guarded(stage, key)
        put(stage, first)
        aside = stage.rewrite(first, "aside")

        assert act(stage, first, Act.BURY, aside) is True

        assert is_free(stage, key)

    @pytest.mark.parametrize("how", ["by its id", "all", "where it was seen"])
    def test_a_kick_is_refused_while_somebody_else_holds_the_key(
        self, stage: Stage, key: str, how: str
    ) -> None:
        first = buried(stage, key)
        second = guarded(stage, key, "second")
        put(stage, second)

        assert kick(stage, first, how) is False
        assert stage.state(first) is JobState.BURIED
        assert stage.drain() == ["second"]

        assert kick(stage, first, how) is True
        assert is_held(stage, key, by=first)

    def test_of_two_buried_jobs_with_a_key_one_is_kicked(self, stage: Stage, key: str) -> None:
        for text in "ab":
            buried(stage, key, text)

        assert stage.admin.kick_all(stage.queue) == 1

        assert stage.stats().buried == 1
        assert len(stage.drain()) == 1

    def test_a_key_may_be_free_once_the_first_run_has_begun(self, stage: Stage, key: str) -> None:
        first, second = (guarded(stage, key, text, until="started") for text in "ab")
        put(stage, first)
        assert is_held(stage, key, by=first, until="started")
        self.begin(stage, stage.take())

        assert put(stage, second) == [second.id]

        assert is_held(stage, key, by=second, until="started")

    def test_a_job_that_was_started_once_holds_its_key_no_more(
        self, stage: Stage, key: str
    ) -> None:
        put(stage, guarded(stage, key, "first", until="started"))
        job = stage.take()
        self.begin(stage, job)
        stage.settle(Settlement(Verb.RELEASE, job))

        second = guarded(stage, key, "second", until="started")
        assert put(stage, second) == [second.id]

        assert stage.drain() == ["first", "second"]

    def test_a_job_that_was_started_can_always_be_kicked(self, stage: Stage, key: str) -> None:
        first = guarded(stage, key, "first", until="started")
        put(stage, first)
        plain = stage.rewrite(replace(first, guards=()), "first")
        job = stage.take()
        self.begin(stage, job)
        stage.settle(Settlement(Verb.BURY, job, rewritten=plain))
        put(stage, guarded(stage, key, "second", until="started"))

        assert list(stage.admin.kick([first.id])) == [True]

        assert sorted(stage.drain()) == ["first", "second"]

    def test_a_key_may_be_held_for_a_time(self, stage: Stage, key: str) -> None:
        first = guarded(stage, key, until=HOLD)
        put(stage, first)
        assert is_held(stage, key, by=first, until=60.0)

        stage.drain()
        assert is_held(stage, key, by=first, until=60.0)
        stage.advance(HOLD + 0.25)

        second = guarded(stage, key, until=HOLD)
        assert put(stage, second) == [second.id]

    def test_a_time_is_over_though_the_job_waits_still(self, stage: Stage, key: str) -> None:
        put(stage, guarded(stage, key, "first", until=HOLD))
        stage.advance(HOLD + 0.25)

        second = guarded(stage, key, "second", until=HOLD)
        assert put(stage, second) == [second.id]

        assert stage.drain() == ["first", "second"]

    def test_a_retry_does_not_begin_the_time_anew(self, stage: Stage, key: str) -> None:
        first = guarded(stage, key, until=HOLD)
        put(stage, first)
        again = stage.rewrite(replace(first, guards=()), "again")
        stage.settle(Settlement(Verb.REPLACE, stage.take(), rewritten=again))
        stage.advance(HOLD + 0.25)

        second = guarded(stage, key, until=HOLD)

        assert put(stage, second) == [second.id]

    @pytest.mark.parametrize("untils", [("done", 60.0), (60.0, "done"), ("started", "done")])
    def test_a_key_is_one_however_long_it_is_held(
        self, stage: Stage, key: str, untils: tuple[Until, Until]
    ) -> None:
        first, second = (guarded(stage, key, until=until) for until in untils)
        put(stage, first)

        assert put(stage, second) == [Existing(first.id, stage.queue)]

    def test_a_job_may_hold_several_keys(self, stage: Stage, key: str) -> None:
        guards = [Guard(f"{key}-id", until=60.0), Guard(key)]
        first = stage.job(guards=guards)
        put(stage, first)
        assert put(stage, first) == [Existing(first.id, stage.queue)]
        assert is_held(stage, key, by=first)

        stage.drain()

        assert is_free(stage, key)
        assert put(stage, first) == [Existing(first.id, stage.queue)]
