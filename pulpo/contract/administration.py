"""What an operator sees and does: queues, counts, peek, kick, delete."""

from __future__ import annotations

from pulpo.contract.stage import Stage
from pulpo.identity import new_id
from pulpo.job import JobState, QueueStats, Settlement, Verb

__all__ = ["AdministrationContract"]


class AdministrationContract:
    """Tests of `QueueAdmin`, except list, edit and pause."""

    def test_an_absent_queue_has_zeros(self, stage: Stage) -> None:
        assert stage.stats() == QueueStats(queue=stage.queue)

    def test_asking_for_an_absent_queue_does_not_make_it(self, stage: Stage) -> None:
        stage.stats()

        assert stage.queue not in stage.admin.queues()

    def test_jobs_are_counted_by_their_state(self, stage: Stage) -> None:
        stage.buried()
        stage.running()
        stage.put(*stage.jobs("a", "b"), *stage.jobs("c", "d", "e", delay=3_600.0))

        assert stage.stats() == QueueStats(
            queue=stage.queue, ready=2, delayed=3, reserved=1, buried=1
        )

    def test_counts_are_those_of_one_queue(self, stage: Stage) -> None:
        stage.put(stage.job(), stage.job(queue=stage.other), stage.job(queue=stage.other))

        assert (stage.stats().ready, stage.stats(stage.other).ready) == (1, 2)

    def test_queues_with_jobs_are_named_in_order(self, stage: Stage) -> None:
        stage.put(stage.job(queue=stage.other), stage.job(delay=3_600.0))

        names = list(stage.admin.queues())

        assert {stage.queue, stage.other} <= set(names)
        assert names == sorted(names)

    def test_peek_shows_a_job_as_it_was_put(self, stage: Stage) -> None:
        new = stage.job("look", priority=7, ttr=90.0)
        stage.put(new)

        seen = stage.seen(new)

        assert (seen.id, seen.queue, seen.body) == (new.id, stage.queue, new.body)
        assert (seen.state, seen.priority, seen.ttr) == (JobState.READY, 7, 90.0)

    def test_peek_takes_nothing(self, stage: Stage) -> None:
        job = stage.job("look")
        stage.put(job)

        stage.admin.peek([job.id])

        assert stage.drain() == ["look"]

    def test_peek_answers_for_each_id_in_its_place(self, stage: Stage) -> None:
        a, b = stage.jobs("a", "b")
        stage.put(a, b)

        found = stage.admin.peek([b.id, new_id(), a.id])

        assert [job and job.id for job in found] == [b.id, None, a.id]

    def test_peek_sees_jobs_in_every_state(self, stage: Stage) -> None:
        buried = stage.buried()
        reserved, _ = stage.running()
        ready, delayed = stage.job(), stage.job(delay=3_600.0)
        stage.put(ready, delayed)

        states = [stage.state(job) for job in (ready, delayed, reserved, buried)]

        assert states == [
            JobState.READY,
            JobState.DELAYED,
            JobState.RESERVED,
            JobState.BURIED,
        ]

    def test_an_empty_list_of_ids_is_answered_by_an_empty_list(self, stage: Stage) -> None:
        assert list(stage.admin.peek([])) == []
        assert list(stage.admin.kick([])) == []
        assert list(stage.admin.delete([])) == []

    def test_a_buried_job_that_was_kicked_is_ready(self, stage: Stage) -> None:
        job = stage.buried("again")

        assert list(stage.admin.kick([job.id])) == [True]
        assert stage.drain() == ["again"]

    def test_a_delayed_job_that_was_kicked_is_ready(self, stage: Stage) -> None:
        job = stage.job("now", delay=3_600.0)
        stage.put(job)

        assert list(stage.admin.kick([job.id])) == [True]
        assert stage.drain() == ["now"]

    def test_a_ready_a_reserved_and_an_absent_job_are_not_kicked(self, stage: Stage) -> None:
        reserved, _ = stage.running()
        ready = stage.job()
        stage.put(ready)

        assert list(stage.admin.kick([ready.id, reserved.id, new_id()])) == [False, False, False]
        assert stage.state(reserved) is JobState.RESERVED

    def test_kick_answers_for_each_id_in_its_place(self, stage: Stage) -> None:
        buried, delayed = stage.buried(), stage.job(delay=3_600.0)
        stage.put(delayed)

        answers = stage.admin.kick([new_id(), delayed.id, buried.id, delayed.id])

        assert list(answers) == [False, True, True, False]

    def test_a_kicked_job_keeps_its_priority(self, stage: Stage) -> None:
        job = stage.buried("urgent", priority=3)
        stage.put(stage.job("plain", priority=5))

        stage.admin.kick([job.id])

        assert stage.drain() == ["urgent", "plain"]

    def test_all_buried_jobs_of_a_queue_are_kicked(self, stage: Stage) -> None:
        for text in ("a", "b", "c"):
            stage.buried(text)

        assert stage.admin.kick_all(stage.queue) == 3
        assert sorted(stage.drain()) == ["a", "b", "c"]

    def test_kicking_all_leaves_delayed_jobs_and_other_queues(self, stage: Stage) -> None:
        stage.buried()
        elsewhere = stage.buried(queue=stage.other)
        delayed = stage.job(delay=3_600.0)
        stage.put(delayed)

        assert stage.admin.kick_all(stage.queue) == 1
        assert stage.state(delayed) is JobState.DELAYED
        assert stage.state(elsewhere) is JobState.BURIED

    def test_kicking_all_where_nothing_is_buried_kicks_nothing(self, stage: Stage) -> None:
        delayed = stage.job(delay=3_600.0)
        stage.put(delayed)

        assert stage.admin.kick_all(stage.queue) == 0
        assert stage.state(delayed) is JobState.DELAYED
        assert stage.admin.kick_all(stage.other) == 0

    def test_jobs_that_are_not_running_are_deleted(self, stage: Stage) -> None:
        buried, ready, delayed = stage.buried(), stage.job(), stage.job(delay=3_600.0)
        stage.put(ready, delayed)
        ids = [ready.id, delayed.id, buried.id]

        assert list(stage.admin.delete(ids)) == [True, True, True]
        assert list(stage.admin.peek(ids)) == [None, None, None]
        assert stage.reserve() == []

    def test_a_running_job_is_not_deleted(self, stage: Stage) -> None:
        new, job = stage.running()

        assert list(stage.admin.delete([new.id])) == [False]
        assert stage.settle(Settlement(Verb.DELETE, job)) == [True]

    def test_delete_answers_for_each_id_in_its_place(self, stage: Stage) -> None:
        job = stage.job()
        stage.put(job)

        assert list(stage.admin.delete([new_id(), job.id, job.id])) == [False, True, False]

    def test_an_operators_door_is_closed_twice_without_harm(self, stage: Stage) -> None:
        admin = stage.engine.admin()
        admin.stats(stage.queue)

        admin.close()
        admin.close()
