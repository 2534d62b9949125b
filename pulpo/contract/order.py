"""In which order jobs are handed out: most urgent first, then in the order of their arrival."""

from __future__ import annotations

from pulpo.contract.stage import Stage
from pulpo.job import Settlement, Verb

__all__ = ["OrderContract"]


class OrderContract:
    """Tests of the order of `exchange`."""

    def test_the_most_urgent_job_of_a_batch_comes_first(self, stage: Stage) -> None:
        stage.put(
            stage.job("low", priority=900), stage.job("high", priority=1), stage.job("middle")
        )

        assert stage.drain() == ["high", "low", "middle"]

    def test_the_most_urgent_job_comes_first_across_batches(self, stage: Stage) -> None:
        stage.put(stage.job("low", priority=9))
        stage.put(stage.job("middle", priority=5))
        stage.put(stage.job("high", priority=1))

        assert stage.drain() == ["high", "middle", "low"]

    def test_equally_urgent_jobs_of_a_batch_come_in_the_order_of_arrival(
        self, stage: Stage
    ) -> None:
        stage.put(*stage.jobs("a", "b", "c", "d", "e"))

        assert stage.drain() == ["a", "b", "c", "d", "e"]

    def test_equally_urgent_jobs_come_in_the_order_of_arrival_across_batches(
        self, stage: Stage
    ) -> None:
        for text in ("a", "b", "c"):
            stage.put(stage.job(text))

        assert stage.drain() == ["a", "b", "c"]

    def test_arrival_counts_over_several_producers(self, stage: Stage) -> None:
        first, second = stage.open(), stage.open()
        for number in range(6):
            (first if number % 2 else second).put([stage.job(str(number))])

        assert stage.drain() == ["0", "1", "2", "3", "4", "5"]

    def test_an_urgent_job_overtakes_what_waits_already(self, stage: Stage) -> None:
        stage.put(*stage.jobs("a", "b", "c"))
        assert stage.text(stage.take()) == "a"

        stage.put(stage.job("urgent", priority=0))

        assert stage.drain() == ["urgent", "b", "c"]

    def test_over_several_queues_the_most_urgent_job_comes_first(self, stage: Stage) -> None:
        stage.put(stage.job("low", priority=7), stage.job("least", priority=8))
        stage.put(stage.job("high", queue=stage.other, priority=2))

        assert stage.drain(stage.queue, stage.other) == ["high", "low", "least"]

    def test_over_several_queues_the_order_does_not_depend_on_the_order_of_their_names(
        self, stage: Stage
    ) -> None:
        stage.put(stage.job("b", priority=2), stage.job("a", queue=stage.other, priority=1))
        stage.put(stage.job("d", priority=4), stage.job("c", queue=stage.other, priority=3))

        assert stage.drain(stage.other, stage.queue) == ["a", "b", "c", "d"]

    def test_over_several_queues_equally_urgent_jobs_come_in_the_order_of_arrival(
        self, stage: Stage
    ) -> None:
        for number in range(6):
            stage.put(stage.job(str(number), queue=(stage.queue, stage.other)[number % 2]))

        assert stage.drain(stage.queue, stage.other) == ["0", "1", "2", "3", "4", "5"]

    def test_only_the_queues_that_were_asked_for_are_served(self, stage: Stage) -> None:
        stage.put(stage.job("elsewhere", queue=stage.other, priority=0), stage.job("here"))

        assert stage.drain() == ["here"]
        assert stage.stats(stage.other).ready == 1

    def test_the_queues_may_change_from_call_to_call(self, stage: Stage) -> None:
        stage.put(stage.job("one"), stage.job("two", queue=stage.other))

        assert stage.text(stage.take(queue=stage.other)) == "two"
        assert stage.text(stage.take(queue=stage.queue)) == "one"
        assert stage.reserve(queues=[stage.other]) == []

    def test_no_more_jobs_are_reserved_than_asked_for(self, stage: Stage) -> None:
        stage.put(*stage.jobs("a", "b", "c", "d"))

        assert [stage.text(job) for job in stage.reserve(limit=3)] == ["a", "b", "c"]
        assert stage.stats().ready == 1

    def test_a_large_limit_is_not_waited_for(self, stage: Stage) -> None:
        stage.put(*stage.jobs("a", "b"))

        assert [stage.text(job) for job in stage.reserve(limit=10, timeout=1.0)] == ["a", "b"]

    def test_a_limit_is_kept_by_every_single_exchange(self, stage: Stage) -> None:
        stage.put(*stage.jobs(*"abcdef"))

        for limit in (2, 1, 3):
            _, jobs = stage.owner.exchange([], [stage.queue], limit=limit, timeout=0.0)
            assert 1 <= len(jobs) <= limit

    def test_one_large_reserve_comes_in_order(self, stage: Stage) -> None:
        stage.put(*(stage.job(str(number), priority=number % 5) for number in range(200)))

        texts = [int(stage.text(job)) for job in stage.reserve(limit=200)]

        assert texts == sorted(range(200), key=lambda number: (number % 5, number))

    def test_nothing_is_reserved_from_a_queue_that_does_not_exist(self, stage: Stage) -> None:
        assert stage.reserve(limit=5) == []

    def test_each_job_has_a_number_of_its_own(self, stage: Stage) -> None:
        stage.put(*stage.jobs(*"abcdef"))

        jobs = stage.reserve(limit=6)

        assert len({job.number for job in jobs}) == 6
        assert all(job.number > 0 for job in jobs)

    def test_a_reserved_job_says_nothing_wrong_about_itself(self, stage: Stage) -> None:
        stage.put(stage.job(priority=42, ttr=77.0))

        job = stage.take()

        assert job.queue in (None, stage.queue)
        assert job.priority in (None, 42)
        assert job.ttr in (None, 77.0)

    def test_released_jobs_are_in_their_old_order(self, stage: Stage) -> None:
        stage.put(*stage.jobs("a", "b", "c"))
        a, b = stage.reserve(limit=2)

        stage.settle(Settlement(Verb.RELEASE, b), Settlement(Verb.RELEASE, a))

        assert stage.drain() == ["a", "b", "c"]
