"""Keys that one job holds: who is accepted, and who is named instead."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from pulpo.adapter import Guarding
from pulpo.contract.keys import Keys, act, guarded, is_free, is_held, put
from pulpo.contract.stage import Stage
from pulpo.errors import JobTooBigError, UsageError
from pulpo.job import Act, Existing, Guard

__all__ = ["AcceptingContract"]


class AcceptingContract(Keys):
    """Tests of `put` of jobs with guards."""

    def test_an_engine_says_that_it_keeps_guards(self, stage: Stage) -> None:
        assert stage.owner.capabilities.guards is True

    def test_a_job_whose_key_is_free_is_accepted(self, stage: Stage, key: str) -> None:
        job = guarded(stage, key)

        assert put(stage, job) == [job.id]
        assert stage.drain() == ["a job"]

    def test_a_second_job_with_the_key_is_not_accepted(self, stage: Stage, key: str) -> None:
        first, second = guarded(stage, key, "first"), guarded(stage, key, "second")
        put(stage, first)

        assert put(stage, second) == [Existing(first.id, stage.queue)]
        assert stage.admin.peek([second.id]) == [None]
        assert stage.drain() == ["first"]

    def test_other_keys_and_plain_jobs_do_not_mind(self, stage: Stage, key: str) -> None:
        put(stage, guarded(stage, key, "first"))
        jobs = [guarded(stage, f"{key}-2", "second"), stage.job("third")]

        assert put(stage, *jobs) == [job.id for job in jobs]
        assert stage.drain() == ["first", "second", "third"]

    def test_a_key_is_one_over_all_queues(self, stage: Stage, key: str) -> None:
        first = guarded(stage, key)
        put(stage, first)

        there = guarded(stage, key, queue=stage.other)

        assert put(stage, there) == [Existing(first.id, stage.queue)]

    def test_one_batch_holds_a_key_once(self, stage: Stage, key: str) -> None:
        a, b, c = (guarded(stage, key, text) for text in "abc")
        plain = stage.job("plain")

        answers = put(stage, a, plain, b, c)

        existing = Existing(a.id, stage.queue)
        assert answers == [a.id, plain.id, existing, existing]
        assert stage.drain() == ["a", "plain"]

    def test_a_job_that_is_refused_takes_no_key(self, stage: Stage, key: str) -> None:
        put(stage, guarded(stage, key))
        both = stage.job(guards=[Guard(f"{key}-2"), Guard(key, until=60.0)])
        other = guarded(stage, f"{key}-2", "other")

        assert isinstance(put(stage, both)[0], Existing)
        assert put(stage, other) == [other.id]

    def test_a_job_that_is_too_large_takes_no_key(self, stage: Stage, key: str) -> None:
        most = stage.owner.capabilities.max_body
        job = guarded(stage, key)

        (answer,) = put(stage, replace(guarded(stage, key), body=b"x" * (most + 1)))

        assert isinstance(answer, JobTooBigError)
        assert put(stage, job) == [job.id]

    def test_many_at_once_hold_a_key_once(self, stage: Stage, key: str) -> None:
        doors = [stage.open() for _ in range(4)]
        jobs = [[guarded(stage, f"{key}-{n}") for n in range(10)] for _ in doors]

        with ThreadPoolExecutor(len(doors)) as pool:
            calls = [pool.submit(door.put, batch) for door, batch in zip(doors, jobs, strict=True)]
            answers = [call.result() for call in calls]

        accepted = [a for batch in answers for a in batch if isinstance(a, str)]
        assert len(accepted) == 10
        assert len(stage.drain()) == 10

    @pytest.mark.parametrize(
        "guards",
        [
            [Guard("")],
            [Guard("a\nb")],
            [Guard("x" * 301)],
            [Guard("a", until=0.0)],
            [Guard("a", until=-1.0)],
            [Guard("a", until=float("nan"))],
            [Guard("a", until="later")],  # type: ignore[arg-type]  # that is the test
            [Guard("a", until=60.0), Guard("a", until=9.0)],
            [Guard("a"), Guard("b", until="started")],
        ],
    )
    def test_guards_that_nobody_can_keep_are_a_wrong_call(
        self, stage: Stage, guards: Sequence[Guard]
    ) -> None:
        with pytest.raises(UsageError):
            stage.owner.put([stage.job(), replace(stage.job(), guards=guards)])

        assert stage.reserve() == []

    def test_a_job_that_is_deleted_by_hand_frees_its_key(self, stage: Stage, key: str) -> None:
        first = guarded(stage, key)
        put(stage, first)

        assert list(stage.admin.delete([first.id])) == [True]

        assert is_free(stage, key)

    def test_a_job_that_is_edited_holds_its_key(self, stage: Stage, key: str) -> None:
        first = guarded(stage, key)
        put(stage, first)
        edited = replace(stage.rewrite(first, "edited", delay=3_600.0), guards=())

        assert stage.admin.edit(first.id, edited) is True

        assert is_held(stage, key, by=first)

    def test_a_job_that_is_moved_holds_its_key(self, stage: Stage, key: str) -> None:
        first = guarded(stage, key)
        put(stage, first)
        moved = replace(stage.rewrite(first, "moved", queue=stage.other), guards=())

        assert act(stage, first, Act.REPLACE, moved) is True

        second = guarded(stage, key)
        assert put(stage, second) == [Existing(first.id, stage.other)]

    def test_an_operator_sees_who_holds_a_key(self, stage: Stage, key: str) -> None:
        first = guarded(stage, key)
        put(stage, first)

        assert isinstance(stage.admin, Guarding)
        found = stage.admin.holders([key, f"{key}-2"])

        assert list(found) == [Existing(first.id, stage.queue), None]
