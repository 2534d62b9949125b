"""One act on many jobs, on an engine in memory."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from pulpo.adapter import QueueAdapter, QueueAdmin
from pulpo.adapters.memory import MemoryEngine
from pulpo.amend import moved
from pulpo.bulk import Order, Survey, Tally, carry_out, survey
from pulpo.clock import ManualClock
from pulpo.codec import Codec
from pulpo.identity import new_id
from pulpo.job import Act, JobState, ListedJob, NewJob, Page
from pulpo.job_filter import JobFilter, Where
from pulpo.queue_url import QueueURL

CODEC = Codec()


class Stage:
    def __init__(self) -> None:
        engine = MemoryEngine(QueueURL.parse("memory://"), clock=ManualClock())
        self.owner: QueueAdapter = engine.adapter()
        self.admin: QueueAdmin = engine.admin()

    def put(self, count: int, *, delay: float = 0.0, body: object = None) -> list[str]:
        jobs = []
        for _ in range(count):
            headers = {"type": "t", "id": new_id(), "queue": "mail"}
            data = CODEC.encode(headers, body)
            jobs.append(NewJob(id=headers["id"], type="t", queue="mail", body=data, delay=delay))
        assert list(self.owner.put(jobs)) == [job.id for job in jobs]
        return [job.id for job in jobs]

    def states(self, queue: str = "mail") -> tuple[int, int, int, int]:
        found = self.admin.stats(queue)
        return found.ready, found.delayed, found.reserved, found.buried


@pytest.fixture
def stage() -> Iterator[Stage]:
    stage = Stage()
    yield stage
    stage.owner.close()


def order(act: Act, **options: object) -> Order:
    wanted = JobFilter(queue="mail")
    return Order(**{"act": act, "wanted": wanted, "codec": CODEC, "now": 0.0, **options})  # type: ignore[arg-type]


def done(stage: Stage, what: Order) -> tuple[Survey, Tally]:
    found = survey(stage.admin, what)
    return found, [Tally(), *carry_out(stage.admin, what, found.jobs)][-1]


def test_all_that_fit_are_changed_in_batches(stage: Stage) -> None:
    stage.put(2_300)
    what = order(Act.DELETE)

    found = survey(stage.admin, what)
    tallies = [tally.done for tally in carry_out(stage.admin, what, found.jobs)]

    assert (len(found.jobs), tallies) == (2_300, [1_000, 2_000, 2_300])
    assert stage.states() == (0, 0, 0, 0)


def test_a_running_job_is_counted_and_left(stage: Stage) -> None:
    stage.put(3)
    stage.owner.exchange([], ["mail"], limit=1, timeout=0)

    found, tally = done(stage, order(Act.DELETE))

    assert (len(found.jobs), found.running, tally.done) == (2, 1, 2)
    assert stage.states() == (0, 0, 1, 0)


def test_a_job_that_is_taken_after_the_count_is_left(stage: Stage) -> None:
    stage.put(3)
    what = order(Act.DELETE)
    found = survey(stage.admin, what)
    stage.owner.exchange([], ["mail"], limit=1, timeout=0)

    (tally,) = carry_out(stage.admin, what, found.jobs)

    assert (tally.done, tally.left) == (2, 1)


def test_a_job_that_comes_after_the_count_is_not_touched(stage: Stage) -> None:
    stage.put(2)
    what = order(Act.DELETE)
    found = survey(stage.admin, what)
    (late,) = stage.put(1)

    list(carry_out(stage.admin, what, found.jobs))

    assert [job.id for job in stage.admin.list("mail")] == [late]


def test_a_kick_is_for_buried_jobs(stage: Stage) -> None:
    stage.put(1, delay=60.0)

    found, _ = done(stage, order(Act.KICK))

    assert found.jobs == []
    assert stage.states() == (0, 1, 0, 0)


def test_a_job_that_does_not_fit_any_more_is_not_moved(stage: Stage) -> None:
    seven, eight = stage.put(1, body={"user": 7}), stage.put(1, body={"user": 7})
    what = order(
        Act.REPLACE,
        wanted=JobFilter(where=(Where.parse("body.user=7"),)),
        rewrite=lambda job: moved(job, "slow", CODEC, now=0.0),
        to="slow",
    )
    found = survey(stage.admin, what)
    data = CODEC.encode({"type": "t", "id": eight[0], "queue": "mail"}, {"user": 8})
    stage.admin.edit(eight[0], NewJob(id=eight[0], type="t", queue="mail", body=data))

    (tally,) = carry_out(stage.admin, what, found.jobs)

    assert (tally.done, tally.left) == (1, 1)
    assert [job.id for job in stage.admin.list("slow")] == seven


def test_a_job_that_can_not_be_rewritten_says_why_once(stage: Stage) -> None:
    stage.put(3)
    keys = Codec([b"key"])

    def rewrite(job: ListedJob) -> NewJob:
        return moved(job, "slow", keys, now=0.0)

    found, tally = done(stage, order(Act.REPLACE, rewrite=rewrite, to="slow"))

    assert (len(found.jobs), tally.done, tally.refused) == (3, 0, 3)
    assert tally.why == {"signing keys are set and the job is not signed"}
    assert stage.states() == (3, 0, 0, 0)


def test_jobs_are_buried_where_they_wait(stage: Stage) -> None:
    stage.put(2)
    stage.put(1, delay=60.0)

    def rewrite(job: ListedJob) -> NewJob:
        return NewJob(id=job.id, type="t", queue=job.queue, body=job.body)

    done(stage, order(Act.BURY, rewrite=rewrite))
    again, _ = done(stage, order(Act.BURY, rewrite=rewrite))

    assert stage.states() == (0, 0, 0, 3)
    assert again.jobs == []


def test_the_caller_hears_of_each_page(stage: Stage) -> None:
    stage.put(600)
    heard: list[tuple[Page, int]] = []

    survey(stage.admin, order(Act.DELETE), lambda page, found: heard.append((page, found)))

    assert [(page.seen, found) for page, found in heard] == [(250, 250), (500, 500), (600, 600)]


def test_a_state_narrows_what_is_found(stage: Stage) -> None:
    stage.put(2)
    stage.put(3, delay=60.0)

    found = survey(
        stage.admin, order(Act.DELETE, wanted=JobFilter(queue="mail", state=JobState.DELAYED))
    )

    assert len(found.jobs) == 3
