"""However many jobs there are, a page asks for few of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest

from pulpo.adapter import Glimpsing
from pulpo.codec import Codec
from pulpo.dashboard.counting import Counted
from pulpo.dashboard.filters import ListFilter
from pulpo.dashboard.looking import MOST_LOOKED_AT, MOST_NUMBERS, find, look
from pulpo.dashboard.reading import Reading
from pulpo.dashboard.side import NothingTold
from pulpo.job import JobState, ListedJob, QueueStats
from pulpo.redaction import DEFAULT
from pulpo.registry import Registry
from tests.dashboard.caller import Caller
from tests.dashboard.conftest import Site


@dataclass
class Endless:
    """A queue file with more jobs than anybody can list; tells how much was asked of it."""

    limits: list[int] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)
    states: list[JobState | None] = field(default_factory=list)

    def queues(self) -> Sequence[str]:
        raise AssertionError("of a million delayed jobs that takes too long for a page")

    def stats(self, queue: str) -> QueueStats:
        self.asked.append("stats")
        return QueueStats(queue=queue, ready=10**6, delayed=10**6, buried=10**6)

    def list(
        self, queue: str | None = None, state: JobState | None = None, *, limit: int = 100
    ) -> Sequence[ListedJob]:
        self.limits.append(limit)
        self.states.append(state)
        job = ListedJob(
            id="1",
            number=1,
            queue=queue or "mail",
            state=state or JobState.READY,
            body=Codec().encode({"type": "mail.welcome"}, None),
            priority=1,
        )
        return [job] * limit


MANY = QueueStats(queue="mail", ready=10**6, delayed=10**6, buried=10**6)
NOW = 1_000_000.0
COUNTED = Counted(queues=(MANY,), at=0.0, took=5.0)


@pytest.fixture
def reading() -> Reading:
    return Reading(keys=Codec(), registry=Registry(), told=NothingTold(), hidden=DEFAULT)


def test_a_list_asks_for_no_more_than_it_looks_at(reading: Reading) -> None:
    for query in ({}, {"type": "x"}, {"state": "buried"}, {"queue": "mail", "page": "40"}):
        admin: Any = Endless()

        page = reading.jobs(admin, ListFilter.of(query.items()), COUNTED, NOW)

        assert sum(admin.limits) <= MOST_LOOKED_AT + 4 + 50
        assert admin.asked == []
        assert len(page.rows) == (0 if "type" in query else 50)


def test_a_queue_asks_for_few_and_counts_nothing_that_was_counted(reading: Reading) -> None:
    admin: Any = Endless()

    page = reading.queue(admin, "mail", COUNTED)

    assert admin.asked == []
    assert admin.limits == [11, 11, 11]
    assert {len(rows) for rows in page.rows.values()} == {10}


def test_types_are_told_from_a_sample(reading: Reading) -> None:
    admin: Any = Endless()

    page = reading.types(admin)

    assert not page.all
    assert sum(admin.limits) <= 4 * 501
    assert page.types[0].seen["ready"] == 500


def test_ready_jobs_of_all_queues_come_by_their_priority(site: Site) -> None:
    late = site.queue.put(queue="a", priority=9)
    site.admin.edit(late, _with_priority(site, late, 9))
    first = site.queue.put(queue="b")
    site.admin.edit(first, _with_priority(site, first, 1))

    found = look(site.admin, None, JobState.READY, limit=1)

    assert [job.id for job in found.jobs] == [first]
    assert not found.all


def _with_priority(site: Site, id: str, priority: int) -> Any:
    from pulpo.job import NewJob

    job = site.seen(id)
    assert job is not None
    return NewJob(id=id, type="mail.welcome", queue=job.queue, body=job.body, priority=priority)


@pytest.mark.parametrize("url", ["beanstalkd"], indirect=True)
def test_what_cannot_be_listed_is_sampled_and_says_so(site: Site) -> None:
    jobs = [site.queue.put() for _ in range(30)]
    admin: Any = site.admin
    assert isinstance(admin, Glimpsing)

    some, complete = admin.glimpse("mail", None, limit=100, numbers=10)
    every, known = admin.glimpse("mail", None, limit=100, numbers=10_000)

    assert jobs[0] in {job.id for job in some}, "the next one is always among them"
    assert not complete or len(some) == 30
    assert known
    assert [job.id for job in every] == jobs


@pytest.mark.parametrize("url", ["beanstalkd"], indirect=True)
def test_a_job_is_found_by_its_id_without_a_walk(site: Site) -> None:
    jobs = [site.queue.put() for _ in range(1_200)]
    middle = jobs[600]
    admin: Any = site.admin

    found, certain = admin.spot(middle, numbers=10)

    assert certain
    assert found is not None
    assert found.id == middle
    assert admin.spot("0198c0de-7a11-7b0b-8123-6c6f73746a6f", numbers=10) == (None, False)
    assert admin.spot("0198c0de-7a11-7b0b-8123-6c6f73746a6f", numbers=10_000) == (None, True)
    assert find(admin, middle)[0] is not None
    assert MOST_NUMBERS >= 1_000


def test_what_is_searched_is_not_hidden_behind_a_million_ready_jobs(reading: Reading) -> None:
    admin: Any = Endless()

    page = reading.jobs(admin, ListFilter.of([("type", "mail.*")]), COUNTED, NOW)

    assert page.acts is None, "nobody has counted them"
    assert page.matching == MOST_LOOKED_AT


def test_an_act_on_all_says_the_number_that_was_counted(reading: Reading) -> None:
    admin: Any = Endless()

    every = reading.jobs(admin, ListFilter.of([("queue", "mail")]), COUNTED, NOW)
    late = reading.jobs(admin, ListFilter.of([("state", "delayed")]), COUNTED, NOW)

    million = 10**6
    assert every.acts == {"kick": million, "bury": 2 * million, "delete": 3 * million}
    assert late.acts == {"kick": million, "bury": million, "delete": million}
    assert every.matching == 3 * million


def test_a_queue_that_is_younger_than_the_last_count_is_listed(site: Site, visitor: Caller) -> None:
    visitor.get("/")
    job = site.queue.put(queue="new")

    assert job in visitor.get("/jobs?type=mail.*").text
