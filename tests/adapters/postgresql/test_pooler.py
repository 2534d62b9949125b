"""Behind a pooler that keeps no sessions: no bells, no locks, and everything else as ever."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import closing
from typing import cast

import pytest

from pulpo.adapter import Engine, QueueAdapter
from pulpo.adapters import open_engine
from pulpo.adapters.postgresql import PostgreSQLEngine
from pulpo.adapters.postgresql.adapter import PostgreSQLAdapter
from pulpo.clock import Clock, ManualClock
from pulpo.contract import AdapterContract
from pulpo.identity import new_id
from pulpo.job import NewJob
from pulpo.queue_url import QueueURL
from tests.adapters.looks import NOTE, OK, look
from tests.lab.needs import need
from tests.lab.pgbouncer import PgBouncer
from tests.lab.postgresql import PostgreSQL


@pytest.fixture(scope="module")
def pooler(postgresql: PostgreSQL) -> Iterator[PgBouncer]:
    need("pgbouncer")
    with PgBouncer(postgresql) as pooler:
        yield pooler


class TestBehindAPooler(AdapterContract):
    @pytest.fixture
    def clock(self) -> Clock:
        return ManualClock()

    @pytest.fixture
    def engine(self, pooler: PgBouncer, postgresql_url: str, clock: Clock) -> Engine:
        return PostgreSQLEngine(QueueURL.parse(f"{pooler.url}?create=1"), clock=clock)

    def crash(self, adapter: QueueAdapter) -> None:
        # Nobody sees its end: it beats no more, and the others wait for that.
        link = cast(PostgreSQLAdapter, adapter)._link
        link.close()
        clock = cast(PostgreSQLAdapter, adapter)._clock
        cast(ManualClock, clock).advance(15.0)


def job() -> NewJob:
    return NewJob(id=new_id(), type="t", queue="q", body=b"x")


def test_a_pooler_is_found_out_and_told_of(pooler: PgBouncer, postgresql_url: str) -> None:
    with closing(open_engine(f"{pooler.url}?create=1").adapter()) as adapter:
        adapter.put([job()])
        assert len(adapter.exchange([], ["q"], limit=5, timeout=0)[1]) == 1
        assert not adapter._link.has_session  # type: ignore[attr-defined]

    assert look(open_engine(pooler.url))["session"].level is NOTE
    assert look(open_engine(postgresql_url))["session"].level is OK


def test_a_job_is_found_soon_although_nobody_rings(pooler: PgBouncer, postgresql_url: str) -> None:
    engine = open_engine(f"{pooler.url}?create=1")
    with closing(engine.adapter()) as worker, closing(engine.adapter()) as producer:

        def put() -> None:
            time.sleep(1.2)
            producer.put([job()])

        thread = threading.Thread(target=put)
        thread.start()
        started = time.monotonic()
        _, jobs = worker.exchange([], ["q"], limit=1, timeout=5.0)
        thread.join()

        assert len(jobs) == 1
        assert time.monotonic() - started < 2.5


def test_many_clients_share_three_connections(pooler: PgBouncer, postgresql_url: str) -> None:
    engine = open_engine(f"{pooler.url}?create=1")
    doors = [engine.adapter() for _ in range(12)]
    ran: list[str | None] = []
    for number, door in enumerate(doors):
        door.put([job() for _ in range(number + 1)])
    for door in doors:
        _, jobs = door.exchange([], ["q"], limit=7, timeout=0)
        ran += [each.id for each in jobs]
    for door in doors:
        door.close()

    assert len(ran) == len(set(ran)) == 78


def test_the_url_decides_where_it_says_something(
    pooler: PgBouncer, postgresql: PostgreSQL, postgresql_url: str
) -> None:
    with closing(open_engine(f"{postgresql_url}&pooled=1").adapter()) as adapter:
        adapter.exchange([], ["q"], limit=1, timeout=0)
        assert not adapter._link.has_session  # type: ignore[attr-defined]
    with (
        PgBouncer(postgresql, mode="session") as keeps,
        closing(open_engine(f"{keeps.url}?create=1&pooled=0").adapter()) as adapter,
    ):
        adapter.exchange([], ["q"], limit=1, timeout=0)
        assert adapter._link.has_session  # type: ignore[attr-defined]
