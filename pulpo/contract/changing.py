"""What an operator does with many jobs at once, after a walk has shown them."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from pulpo.contract.stage import Stage
from pulpo.contract.walking import sighting, walked
from pulpo.errors import JobTooBigError, UsageError
from pulpo.job import Act, Change, JobState, NewJob, Settlement, Sighting, Verb

__all__ = ["ChangingContract"]


class ChangingContract:
    """Tests of `QueueAdmin.change`."""

    def test_buried_and_delayed_jobs_that_were_seen_are_kicked(self, stage: Stage) -> None:
        buried, delayed, ready = stage.buried("a"), stage.job("b", delay=3_600.0), stage.job("c")
        stage.put(delayed, ready)
        seen = [Change(Act.KICK, sighting(stage, job)) for job in (buried, delayed, ready)]

        assert list(stage.admin.change(seen)) == [True, True, False]
        assert sorted(stage.drain()) == ["a", "b", "c"]

    def test_jobs_that_were_seen_are_deleted_but_not_the_one_that_runs(self, stage: Stage) -> None:
        buried, (running, job) = stage.buried(), stage.running()
        delayed, ready, gone = stage.job(delay=3_600.0), stage.job(), stage.job()
        stage.put(delayed, ready, gone)
        all_of_them = (buried, running, delayed, ready, gone)
        seen = [Change(Act.DELETE, sighting(stage, each)) for each in all_of_them]
        stage.admin.delete([gone.id])

        assert list(stage.admin.change(seen)) == [True, False, True, True, False]
        assert stage.settle(Settlement(Verb.DELETE, job)) == [True]
        assert walked(stage) == []

    def test_jobs_are_moved_to_another_queue_and_keep_their_state(self, stage: Stage) -> None:
        buried, ready = stage.buried("buried"), stage.job("ready")
        delayed = stage.job("delayed", delay=3_600.0)
        stage.put(ready, delayed)
        moves = [
            Change(
                Act.REPLACE,
                sighting(stage, job),
                stage.rewrite(job, f"moved {n}", queue=stage.other, delay=job.delay),
            )
            for n, job in enumerate((buried, ready, delayed))
        ]

        assert list(stage.admin.change(moves)) == [True, True, True]
        assert walked(stage) == []
        assert {(stage.text(job), job.state) for job in walked(stage, queue=stage.other)} == {
            ("moved 0", JobState.BURIED),
            ("moved 1", JobState.READY),
            ("moved 2", JobState.DELAYED),
        }

    def test_a_moved_job_keeps_its_id_and_runs_in_its_new_queue(self, stage: Stage) -> None:
        job = stage.job()
        stage.put(job)
        rewritten = stage.rewrite(job, "moved", queue=stage.other)

        stage.admin.change([Change(Act.REPLACE, sighting(stage, job), rewritten)])

        assert stage.seen(job).queue == stage.other
        assert stage.drain() == []
        assert stage.drain(stage.other) == ["moved"]

    def test_waiting_jobs_are_buried_with_what_was_written_into_them(self, stage: Stage) -> None:
        ready, delayed = stage.job("ready"), stage.job("delayed", delay=3_600.0)
        stage.put(ready, delayed)
        burials = [
            Change(Act.BURY, sighting(stage, job), stage.rewrite(job, "why"))
            for job in (ready, delayed)
        ]

        assert list(stage.admin.change(burials)) == [True, True]
        assert [job.state for job in walked(stage)] == [JobState.BURIED] * 2
        assert {stage.text(job) for job in walked(stage)} == {"why"}
        assert stage.reserve() == []

    @pytest.mark.parametrize("act", [Act.REPLACE, Act.BURY])
    def test_a_running_job_is_neither_moved_nor_buried(self, stage: Stage, act: Act) -> None:
        new, job = stage.running()
        rewritten = stage.rewrite(new, "other", queue=stage.other)

        answers = stage.admin.change([Change(act, sighting(stage, new), rewritten)])

        assert list(answers) == [False]
        assert walked(stage, queue=stage.other) == []
        assert stage.settle(Settlement(Verb.DELETE, job)) == [True]

    @pytest.mark.parametrize("act", [Act.REPLACE, Act.BURY])
    def test_a_rewritten_job_that_is_too_big_leaves_the_old_one(
        self, stage: Stage, act: Act
    ) -> None:
        big, small = stage.jobs("big", "small")
        stage.put(big, small)
        huge = stage.job(id=big.id, body=b"x" * (stage.owner.capabilities.max_body + 1))
        changes = [
            Change(act, sighting(stage, big), huge),
            Change(act, sighting(stage, small), stage.rewrite(small, "done")),
        ]

        refused, done = stage.admin.change(changes)

        assert isinstance(refused, JobTooBigError)
        assert done is True
        assert {stage.text(job) for job in walked(stage)} == {"big", "done"}

    def test_many_changes_of_several_kinds_are_answered_in_their_places(self, stage: Stage) -> None:
        jobs = stage.jobs(*(str(n) for n in range(40)), delay=3_600.0)
        stage.put(*jobs)
        seen = [job.sighting for job in walked(stage)]
        places = {job.id: n for n, job in enumerate(jobs)}
        changes = [_some_change(stage, jobs[places[each.id]], each) for each in seen]

        assert list(stage.admin.change(changes)) == [True] * 40
        assert (stage.stats().ready, stage.stats().buried, stage.stats(stage.other).ready) == (
            10,
            10,
            10,
        )

    def test_no_change_is_answered_by_nothing(self, stage: Stage) -> None:
        nothing: Sequence[Change] = []

        assert list(stage.admin.change(nothing)) == []

    @pytest.mark.parametrize("act", [Act.REPLACE, Act.BURY])
    def test_a_change_without_its_rewritten_job_is_refused(self, stage: Stage, act: Act) -> None:
        job = stage.job()
        stage.put(job)

        with pytest.raises(UsageError, match="needs the rewritten job"):
            stage.admin.change([Change(act, sighting(stage, job))])


def _some_change(stage: Stage, job: NewJob, seen: Sighting) -> Change:
    act = list(Act)[int(stage.text(stage.seen(job))) % 4]
    if act in (Act.KICK, Act.DELETE):
        return Change(act, seen)
    return Change(act, seen, stage.rewrite(job, "other", queue=_queue_of(stage, act)))


def _queue_of(stage: Stage, act: Act) -> str:
    return stage.other if act is Act.REPLACE else stage.queue
