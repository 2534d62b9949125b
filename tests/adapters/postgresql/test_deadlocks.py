"""What the server undoes, since two sessions wait for each other, is sent again."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import psycopg
import pytest

from pulpo.adapter import QueueAdapter
from pulpo.adapters import open_engine
from pulpo.adapters.postgresql.link import Query
from pulpo.adapters.postgresql.transacting import transact
from pulpo.errors import QueueUnavailableError
from pulpo.identity import new_id
from pulpo.job import Job, NewJob, Settlement, Verb
from tests.lab.postgresql import PostgreSQL
from tests.lab.processes import until

_LOCK = "SELECT 1 FROM pulpo.jobs WHERE number = %s FOR UPDATE"
_WAITERS = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'"


@pytest.fixture
def adapter(postgresql_url: str) -> Iterator[QueueAdapter]:
    adapter = open_engine(postgresql_url).adapter()
    yield adapter
    adapter.close()


@pytest.fixture
def held(adapter: QueueAdapter) -> Sequence[Job]:
    adapter.put([NewJob(id=new_id(), type="t", queue="q", body=b"") for _ in range(3)])
    _, held = adapter.exchange([], ["q"], limit=2, timeout=0)
    return held


@contextmanager
def embraced(postgresql: PostgreSQL, first: int, second: int) -> Iterator[None]:
    """Lock the second row, and then the first, which the other side locks in its own order.

    The side that has waited longer than its own `deadlock_timeout` is undone: ours has the default.
    """
    with psycopg.connect(postgresql.url) as ours, psycopg.connect(postgresql.url) as watch:
        watch.autocommit = True
        ours.execute("SET deadlock_timeout = '1min'")
        ours.execute(_LOCK, (second,))

        def close() -> None:
            until(lambda: watch.execute(_WAITERS).fetchone() == (1,), "one waits for us")
            ours.execute(_LOCK, (first,))
            ours.rollback()

        closing = threading.Thread(target=close)
        closing.start()
        yield
        closing.join()


def release(adapter: QueueAdapter, held: Sequence[Job], limit: int) -> Sequence[object]:
    settlements = [Settlement(Verb.RELEASE, job) for job in held]
    return adapter.exchange(settlements, ["q"], limit=limit, timeout=0)[0]


@pytest.mark.parametrize("limit", [0, 1])
def test_a_settlement_is_done_although_it_was_undone_first(
    adapter: QueueAdapter, held: Sequence[Job], postgresql: PostgreSQL, limit: int
) -> None:
    with embraced(postgresql, held[0].number, held[1].number):
        assert list(release(adapter, held, limit)) == [True, True]

    _, again = adapter.exchange([], ["q"], limit=9, timeout=0)
    assert len(again) == 3 - limit
    assert {job.crashes for job in again} == {0}


def test_a_transaction_is_tried_anew_from_its_beginning(
    adapter: QueueAdapter, held: Sequence[Job], postgresql: PostgreSQL
) -> None:
    numbers, calls = [job.number for job in held], []

    def work(query: Query) -> str:
        calls.append("called")
        for number in numbers:
            query("UPDATE pulpo.jobs SET type = %s WHERE number = %s RETURNING 1", ("u", number))
        return "done"

    with embraced(postgresql, *numbers):
        assert transact(adapter._link, work) == "done"  # type: ignore[attr-defined]

    assert len(calls) > 1


def test_what_is_undone_every_time_is_told(
    adapter: QueueAdapter, held: Sequence[Job], monkeypatch: pytest.MonkeyPatch
) -> None:
    link, calls = adapter._link, []  # type: ignore[attr-defined]

    def undone(*_: object, **__: object) -> None:
        calls.append("called")
        raise psycopg.errors.DeadlockDetected("deadlock detected")

    monkeypatch.setattr(link, "_cursor", type("Cursor", (), {"execute": undone})())
    with pytest.raises(QueueUnavailableError, match="deadlock detected"):
        release(adapter, held, 0)

    assert len(calls) == 3
