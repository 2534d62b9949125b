"""After a restart or a failover every session is gone at once: whose jobs are whose."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from pulpo.adapter import QueueAdapter
from pulpo.adapters.postgresql import PostgreSQLEngine
from pulpo.clock import ManualClock
from pulpo.identity import new_id
from pulpo.job import Job, JobState, NewJob, Settlement, Verb
from pulpo.queue_url import QueueURL
from tests.lab.pair import Pair
from tests.lab.postgresql import PostgreSQL, end_session

pytestmark = pytest.mark.usefixtures("postgresql_program")


class Story:
    """A worker that holds a job of a minute, and another one that comes by."""

    def __init__(self, url: str, ends: ExitStack) -> None:
        self.clock = ManualClock()
        self.engine = PostgreSQLEngine(QueueURL.parse(url), clock=self.clock)
        self.holder, self.other = (self._open(ends), self._open(ends))
        self.new = NewJob(id=new_id(), type="t", queue="q", body=b"x")
        self.holder.put([self.new])
        (self.held,) = self.take(self.holder)
        self.take(self.other)  # it is an owner too by then
        # Claims are not synced one by one: a commit that is brings them along.
        self.holder.put([NewJob(id=new_id(), type="t", queue="elsewhere", body=b"x")])

    def _open(self, ends: ExitStack) -> QueueAdapter:
        adapter = self.engine.adapter()
        ends.callback(adapter.close)
        return adapter

    def take(self, adapter: QueueAdapter) -> list[Job]:
        self.clock.advance(0.3)  # so that nobody spares to look for the dead
        return list(adapter.exchange([], ["q"], limit=5, timeout=0)[1])


@pytest.fixture
def ends() -> Iterator[ExitStack]:
    with ExitStack() as ends:
        yield ends


@pytest.fixture
def server() -> Iterator[PostgreSQL]:
    with PostgreSQL(synced=True) as server:
        yield server


def test_after_a_restart_a_worker_that_comes_back_keeps_its_jobs(
    server: PostgreSQL, ends: ExitStack
) -> None:
    story = Story(f"{server.url}?create=1", ends)
    server.restart()
    assert story.take(story.other) == []
    story.clock.advance(5.0)
    assert story.take(story.other) == []

    assert list(story.holder.touch([story.held])) == [True]
    story.clock.advance(20.0)
    assert story.take(story.other) == []
    answers, _ = story.holder.exchange(
        [Settlement(Verb.DELETE, story.held)], [], limit=0, timeout=0
    )
    assert list(answers) == [True]


def test_after_a_restart_a_worker_that_does_not_come_back_loses_them_in_ten_seconds(
    server: PostgreSQL, ends: ExitStack
) -> None:
    story = Story(f"{server.url}?create=1", ends)
    server.restart()
    assert story.take(story.other) == []
    story.clock.advance(10.0)

    (taken,) = story.take(story.other)

    assert (taken.id, taken.crashes) == (story.new.id, 1)
    assert list(story.holder.touch([story.held])) == [False]


def test_who_dies_after_it_has_come_back_loses_them_at_once(
    server: PostgreSQL, ends: ExitStack
) -> None:
    story = Story(f"{server.url}?create=1", ends)
    server.restart()
    assert list(story.holder.touch([story.held])) == [True]
    end_session(story.holder._link.connection)  # type: ignore[attr-defined]

    assert [job.id for job in story.take(story.other)] == [story.new.id]


def test_after_a_failover_a_worker_that_comes_back_keeps_its_jobs(ends: ExitStack) -> None:
    with Pair() as pair:
        story = Story(f"{pair.url}&create=1", ends)
        pair.fail_over()
        assert story.take(story.other) == []

        assert list(story.holder.touch([story.held])) == [True]
        story.clock.advance(20.0)
        assert story.take(story.other) == []
        answers, _ = story.holder.exchange(
            [Settlement(Verb.DELETE, story.held)], [], limit=0, timeout=0
        )
        assert list(answers) == [True]
        ends.close()


def test_an_operator_sees_a_lost_session_s_jobs_as_ready_meanwhile(
    server: PostgreSQL, ends: ExitStack
) -> None:
    story = Story(f"{server.url}?create=1", ends)
    admin = story.engine.admin()
    ends.callback(admin.close)
    server.restart()

    (seen,) = admin.peek([story.new.id])

    assert seen is not None
    assert seen.state is JobState.READY
