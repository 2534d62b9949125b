"""Who is a suspect, and when it is asked."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

from pulpo.adapter import QueueAdapter
from pulpo.errors import QueueUnavailableError
from pulpo.job import Capabilities, Job
from pulpo.system import SharedMoment
from pulpo.worker.suspects import Suspicion

COUNTS = Capabilities(engine="sql", max_body=1)
ASKS = Capabilities(engine="beanstalkd", max_body=1, counts_crashes=False)
JOBS = [Job(number=n, body=b"", crashes=n) for n in range(4)]


class Counter:
    """A queue that is asked for crash counts."""

    def __init__(self, error: Exception | None = None) -> None:
        self.asked = 0
        self.error = error

    def crashes(self, jobs: Sequence[Job]) -> Sequence[int]:
        self.asked += 1
        if self.error:
            raise self.error
        return [job.number for job in jobs]


def suspicion(counter: Any, last_death: SharedMoment | None = None) -> Suspicion:
    return Suspicion(cast(QueueAdapter, counter), last_death, started=100.0)


def test_two_crashes_make_a_suspect_where_the_count_comes_with_the_job() -> None:
    counter = Counter()

    assert suspicion(counter).among(JOBS, COUNTS, 500.0) == {2, 3}
    assert counter.asked == 0


def test_elsewhere_it_is_asked_at_the_start_of_a_process_only() -> None:
    counter = Counter()
    one = suspicion(counter, SharedMoment())

    assert one.among(JOBS, ASKS, 105.0) == {2, 3}
    assert one.among(JOBS, ASKS, 111.0) == frozenset()
    assert counter.asked == 1


def test_of_a_long_queue_it_is_asked_for_the_first_thousand_only() -> None:
    counter = Counter()
    one = suspicion(counter)

    for _ in range(500):
        one.among(JOBS, ASKS, 101.0)

    assert counter.asked == 1_000 / len(JOBS)


def test_what_a_dead_worker_held_is_gone_where_the_queue_had_nothing_to_give() -> None:
    counter = Counter()
    one = suspicion(counter)

    assert one.among(JOBS, ASKS, 101.0, waited=0.1) == {2, 3}
    assert one.among(JOBS, ASKS, 102.0, waited=0.3) == frozenset()
    assert one.among(JOBS, ASKS, 102.1) == frozenset()


def test_after_a_death_it_is_asked_for_however_many() -> None:
    counter, died = Counter(), SharedMoment()
    one = suspicion(counter, died)
    died.set(101.0)

    for _ in range(500):
        assert one.among(JOBS, ASKS, 102.0, waited=0.3) == {2, 3}


def test_it_is_asked_for_a_minute_after_a_process_has_died() -> None:
    counter, died = Counter(), SharedMoment()
    one = suspicion(counter, died)
    died.set(1_000.0)

    assert one.among(JOBS, ASKS, 1_059.0) == {2, 3}
    assert one.among(JOBS, ASKS, 1_061.0) == frozenset()


def test_a_queue_that_does_not_answer_keeps_no_job_from_running() -> None:
    counter = Counter(QueueUnavailableError("gone"))

    assert suspicion(counter).among(JOBS, ASKS, 101.0) == frozenset()
