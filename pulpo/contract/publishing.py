"""What accepting a job means: its id in its place, its bytes untouched, its data carried."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from pulpo.contract.stage import Stage
from pulpo.errors import JobTooBigError
from pulpo.identity import new_id
from pulpo.job import JobState, Settlement, Verb

__all__ = ["PublishingContract"]


class PublishingContract:
    """Tests of `put`."""

    def test_put_answers_the_id_of_each_job_in_order(self, stage: Stage) -> None:
        jobs = stage.jobs("a", "b", "c")

        answers = stage.owner.put(jobs)

        assert list(answers) == [job.id for job in jobs]

    def test_an_empty_batch_is_accepted_and_answers_nothing(self, stage: Stage) -> None:
        assert list(stage.owner.put([])) == []

    def test_a_job_that_was_put_is_ready(self, stage: Stage) -> None:
        job = stage.job()
        stage.put(job)

        assert stage.state(job) is JobState.READY

    def test_a_job_is_reserved_with_the_bytes_that_were_put(self, stage: Stage) -> None:
        job = stage.job("hello")
        stage.put(job)

        assert stage.take().body == job.body

    def test_one_batch_may_go_to_several_queues(self, stage: Stage) -> None:
        stage.put(stage.job("here"), stage.job("there", queue=stage.other), stage.job("here too"))

        assert stage.drain() == ["here", "here too"]
        assert stage.drain(stage.other) == ["there"]

    def test_a_queue_is_made_by_the_first_job_that_is_put_in_it(self, stage: Stage) -> None:
        assert stage.queue not in stage.admin.queues()
        stage.put(stage.job())

        assert stage.queue in stage.admin.queues()

    def test_publishing_the_same_job_again_is_accepted(self, stage: Stage) -> None:
        job = stage.job("once more")
        stage.put(job)

        assert list(stage.owner.put([job])) == [job.id]
        assert "once more" in stage.drain()

    def test_a_foreign_id_is_as_good_as_a_uuid(self, stage: Stage) -> None:
        job = stage.job("foreign", id="order/4711#2")
        stage.put(job)

        assert stage.text(stage.take()) == "foreign"

    def test_a_batch_of_a_thousand_jobs_keeps_its_order(self, stage: Stage) -> None:
        texts = [str(number) for number in range(1_000)]
        stage.put(*stage.jobs(*texts))

        assert stage.drain() == texts

    def test_a_body_may_be_empty(self, stage: Stage) -> None:
        stage.put(stage.job(body=b""))

        assert stage.take().body == b""

    def test_a_body_may_hold_every_byte_and_line_ends(self, stage: Stage) -> None:
        body = bytes(range(256)) + b"\r\ndelete 1\r\n" + bytes(range(255, -1, -1)) + b"\r\n"
        stage.put(stage.job(body=body), stage.job("next"))

        assert stage.take().body == body
        assert stage.text(stage.take()) == "next"

    def test_a_body_may_have_65535_bytes(self, stage: Stage) -> None:
        body = bytes(range(255)) * 257
        assert len(body) == 65_535
        stage.put(stage.job(body=body))

        assert stage.take().body == body

    def test_many_large_bodies_in_one_batch_all_arrive(self, stage: Stage) -> None:
        bodies = [bytes([number]) * 60_000 for number in range(40)]
        stage.put(*(stage.job(body=body) for body in bodies))

        jobs = stage.reserve(limit=40)
        assert [job.body for job in jobs] == bodies

    def test_a_body_that_is_too_big_is_refused_in_its_place(self, stage: Stage) -> None:
        too_big = stage.job(body=b"x" * (stage.owner.capabilities.max_body + 1))
        first, last = stage.jobs("first", "last")

        answers = stage.owner.put([first, too_big, last])

        assert answers[0] == first.id
        assert isinstance(answers[1], JobTooBigError)
        assert answers[2] == last.id
        assert stage.drain() == ["first", "last"]

    def test_the_refusal_of_a_big_body_names_both_sizes(self, stage: Stage) -> None:
        most = stage.owner.capabilities.max_body

        answer = stage.owner.put([stage.job(body=b"x" * (most + 7))])[0]

        said = str(answer).replace(",", "").replace("_", "")
        assert str(most + 7) in said
        assert str(most) in said

    def test_a_body_of_the_largest_size_is_accepted(self, stage: Stage) -> None:
        body = b"x" * stage.owner.capabilities.max_body
        stage.put(stage.job(body=body))

        assert stage.take().body == body

    def test_an_adapter_publishes_while_it_holds_a_job(self, stage: Stage) -> None:
        _, held = stage.running("held")

        stage.put(stage.job("meanwhile"))

        assert stage.drain() == ["meanwhile"]
        assert stage.settle(Settlement(Verb.DELETE, held)) == [True]

    def test_an_expired_job_is_handed_out_for_the_worker_to_decide(self, stage: Stage) -> None:
        stage.put(stage.job("too late", expires=stage.clock.wall() - 60))

        assert stage.text(stage.take()) == "too late"

    def test_a_job_that_will_expire_comes_in_its_order(self, stage: Stage) -> None:
        soon = stage.clock.wall() + 3_600
        stage.put(stage.job("a"), stage.job("b", expires=soon), stage.job("c"))

        assert stage.drain() == ["a", "b", "c"]

    def test_an_expired_job_is_not_dropped_while_it_waits(self, stage: Stage) -> None:
        job = stage.job(expires=stage.clock.wall() - 60)
        stage.put(job)
        stage.advance(stage.tick)

        assert stage.stats().ready == 1

    def test_jobs_put_by_several_adapters_at_once_are_all_there(self, stage: Stage) -> None:
        def publish(name: str) -> None:
            adapter = stage.engine.adapter()
            try:
                for number in range(20):
                    adapter.put([stage.job(f"{name}{number}", id=new_id())])
            finally:
                adapter.close()

        with ThreadPoolExecutor(3) as pool:
            list(pool.map(publish, "abc"))

        assert sorted(stage.drain()) == sorted(f"{n}{i}" for n in "abc" for i in range(20))

    @pytest.mark.parametrize("count", [1, 2, 50])
    def test_put_answers_once_for_each_job(self, stage: Stage, count: int) -> None:
        answers = stage.owner.put([stage.job(str(number)) for number in range(count)])

        assert len(answers) == count
        assert stage.stats().ready == count
