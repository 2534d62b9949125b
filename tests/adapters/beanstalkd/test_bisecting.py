"""Finding a job by its id without a walk through all numbers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import pytest

from pulpo.adapters.beanstalkd.bisecting import neighbourhood


def id_of(second: float) -> str:
    stamp = f"{int(second * 1000):012x}"
    return f"{stamp[:8]}-{stamp[8:]}-7abc-8def-0123456789ab"


@dataclass
class Job:
    number: int
    id: str


@dataclass
class Server:
    """Jobs by number, and how many questions were asked about them."""

    jobs: dict[int, str]
    asked: int = field(default=0)

    def peek(self, numbers: Sequence[int]) -> list[Job]:
        self.asked += 1
        return [Job(n, self.jobs[n]) for n in numbers if n in self.jobs]

    def near(self, id: str, newest: int = 1_000_000) -> range:
        return neighbourhood(id, newest, peek=self.peek, name=lambda job: job.id)


class Lazy(dict[int, str]):
    """A million jobs, put one a second, those below `first` gone; `odd` were put anew."""

    def __init__(self, first: int = 1, odd: Sequence[int] = ()) -> None:
        self.first = first
        self.odd = odd

    def __contains__(self, number: object) -> bool:
        return isinstance(number, int) and self.first <= number <= 1_000_000

    def __getitem__(self, number: int) -> str:
        return id_of(1_000_000_000 + (1 if number in self.odd else number))


@pytest.mark.parametrize("number", [1, 2, 333_333, 500_000, 777_777, 999_999, 1_000_000])
def test_a_job_among_a_million_is_near_in_few_questions(number: int) -> None:
    server = Server(Lazy())

    near = server.near(server.jobs[number])

    assert number in near
    assert len(near) <= 1_002
    assert server.asked <= 32


@pytest.mark.parametrize("first", [999_000, 750_001, 600_000])
def test_what_was_run_before_is_no_obstacle(first: int) -> None:
    server = Server(Lazy(first))
    number = first + 700

    assert number in server.near(server.jobs[number])
    assert server.asked < 250


def test_jobs_that_were_put_anew_lead_nobody_astray() -> None:
    server = Server(Lazy(odd=range(500_000, 500_020)))

    assert 700_000 in server.near(server.jobs[700_000])


def test_jobs_that_were_published_together_are_all_near() -> None:
    server = Server({n: id_of(1_000_000_000 + n // 5_000) for n in range(1, 100_001)})

    for number in (40_000, 42_500, 44_999):
        assert number in server.near(server.jobs[number], newest=100_000)


def test_a_queue_without_jobs_ends_the_search() -> None:
    server = Server({})

    assert len(server.near(id_of(1_000_000_000))) <= 1_002


@pytest.mark.parametrize("id", ["17", "", "x" * 36, "0198c0de-7a11-4b0b-8123-6c6f73746a6f"])
def test_an_id_that_says_no_time_is_near_nothing(id: str) -> None:
    assert list(Server(Lazy()).near(id)) == []
