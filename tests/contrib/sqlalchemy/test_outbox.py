"""Jobs as rows of a real database, and the relay that publishes them."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import MetaData, select
from sqlalchemy.engine import Engine
from sqlalchemy.ext.asyncio import AsyncSession, create_async_engine
from sqlalchemy.orm import Session

import pulpo
from pulpo.clock import ManualClock
from pulpo.codec import Codec
from pulpo.contrib.outbox import Relayed
from pulpo.contrib.outbox.sqlalchemy import Outbox
from pulpo.job import JobState
from tests.lab.processes import until

START = datetime(2026, 11, 30, 12, tzinfo=UTC)
DONE: list[int] = []


def welcome(user_id: int) -> None:
    DONE.append(user_id)


class Shop:
    """An app with its queue, and a database with an outbox."""

    def __init__(self, engine: Engine, clock: ManualClock, **options: Any) -> None:
        self.clock = clock
        self.engine = engine
        self.app = pulpo.Pulpo("memory://", clock=clock)
        self.outbox = Outbox(engine, app=self.app, **options)
        self.outbox.table.create(engine)
        self.job = self.app.job(welcome)

    def add(self, *numbers: int) -> list[str]:
        """Commit jobs through the outbox; return their ids."""
        with Session(self.engine) as session, session.begin():
            return [self.outbox.publish(session, self.job, number).id for number in numbers]

    def relay(self, seconds: float = 60.0) -> Relayed:
        rows = self.outbox.relay.open_rows()
        return self.outbox.relay.work(rows, seconds=seconds)

    def queued(self) -> list[Any]:
        """Ids and bodies in the queue, in order."""
        listed = self.app.engine.admin().list(limit=10_000)
        return [(job.id, self.app.codec.decode(job.body).body) for job in listed]

    def queued_ids(self) -> list[str]:
        return [found for found, _ in self.queued()]

    def rows(self) -> list[Any]:
        with self.engine.connect() as connection:
            return list(
                connection.execute(select(self.outbox.table).order_by(self.outbox.table.c.number))
            )


@pytest.fixture
def shop(engine: Engine) -> Iterator[Shop]:
    DONE.clear()
    found = Shop(engine, ManualClock(START.timestamp()))
    yield found
    found.app.close()


def break_put(shop: Shop, monkeypatch: pytest.MonkeyPatch, answer: Callable[[Any], Any]) -> None:
    """Let the queue answer something else."""
    monkeypatch.setattr(shop.app.sender.connections().adapter(), "put", answer)


def test_a_committed_row_becomes_a_job_with_the_same_id(shop: Shop) -> None:
    (ref,) = shop.add(7)
    assert shop.queued() == []
    (row,) = shop.rows()
    assert (row.id, row.type) == (ref, f"{__name__}.welcome")

    assert shop.relay() == Relayed(count=1)

    assert shop.queued() == [(ref, {"user_id": 7})]
    assert shop.rows() == []


def test_a_row_that_is_rolled_back_is_never_published(shop: Shop) -> None:
    with Session(shop.engine) as session:
        shop.outbox.publish(session, shop.job, 1)
        session.rollback()
        shop.outbox.publish(session, shop.job, 2)
        with session.begin_nested() as savepoint:
            shop.outbox.publish(session, shop.job, 3)
            savepoint.rollback()
        session.commit()
    shop.relay()

    assert [body for _, body in shop.queued()] == [{"user_id": 2}]


def test_rows_are_relayed_in_batches_and_in_order(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    ids = shop.add(*range(250))
    adapter = shop.app.sender.connections().adapter()
    sizes: list[int] = []
    real = adapter.put
    break_put(shop, monkeypatch, lambda jobs: (sizes.append(len(jobs)), real(jobs))[1])

    assert shop.relay() == Relayed(count=250)

    assert sizes == [100, 100, 50]
    assert shop.queued_ids() == ids


def test_a_connection_will_do(shop: Shop) -> None:
    with shop.engine.begin() as connection:
        ref = shop.outbox.publish(connection, pulpo.Message(type="mail", body=[1]))
    shop.relay()

    assert shop.queued() == [(ref.id, [1])]


def test_an_async_session_adds_a_row(shop: Shop, database: str) -> None:
    async def main() -> pulpo.JobRef:
        other = create_async_engine(database.replace("sqlite:", "sqlite+aiosqlite:"))
        async with AsyncSession(other) as session, session.begin():
            ref = await shop.outbox.apublish(session, shop.job, 7)
        await other.dispose()
        return ref

    ref = asyncio.run(main())
    shop.relay()

    assert shop.queued() == [(ref.id, {"user_id": 7})]


def test_a_wrong_call_fails_at_the_call_and_adds_no_row(shop: Shop) -> None:
    with Session(shop.engine) as session, session.begin():
        with pytest.raises(TypeError, match="welcome"):
            shop.outbox.publish(session, shop.job)  # type: ignore[call-overload]
        with pytest.raises(pulpo.EncodeError, match="object"):
            shop.outbox.publish(session, shop.job, object())  # type: ignore[arg-type]
        with pytest.raises(pulpo.JobTooBigError, match="the outbox takes at most 65535"):
            shop.outbox.publish(session, shop.job, "x" * 70_000)  # type: ignore[arg-type]
        with pytest.raises(pulpo.WrongTypeError, match="Session"):
            shop.outbox.publish(shop.engine, shop.job, 7)  # type: ignore[call-overload]
        with pytest.raises(pulpo.WrongTypeError, match="not 'welcome'"):
            shop.outbox.publish(session, "welcome", 7)  # type: ignore[call-overload]
    with pytest.raises(pulpo.WrongTypeError, match="Engine or a URL"):
        Outbox(3)  # type: ignore[arg-type]

    assert shop.rows() == []


def test_an_outbox_asks_nothing_of_the_queue(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = pulpo.Pulpo("beanstalkd://127.0.0.1:1")  # nobody listens there
    outbox = Outbox(engine, app=app)
    outbox.table.create(engine)
    with Session(engine) as session, session.begin():
        outbox.publish(session, pulpo.Message(type="mail"))

    relayed = outbox.relay.work(outbox.relay.open_rows(), seconds=0)
    assert isinstance(relayed.error, pulpo.QueueUnavailableError)
    assert relayed.left
    with engine.connect() as connection:
        assert len(connection.execute(select(outbox.table)).all()) == 1


def test_a_delay_and_an_end_count_from_the_transaction(shop: Shop) -> None:
    with Session(shop.engine) as session, session.begin():
        shop.outbox.publish(session, shop.job.using(delay="1h", expires="2h"), 1)
        shop.outbox.publish(session, shop.job.using(expires="10m"), 2)
    shop.clock.advance(1800.0)  # so long nobody relayed
    shop.relay()

    (late, early) = sorted(shop.app.engine.admin().list(), key=lambda job: job.due, reverse=True)
    assert (late.state, late.due) == (JobState.DELAYED, 1800.0)
    expires = shop.app.codec.decode(late.body).expires
    assert expires == (START + timedelta(hours=2)).timestamp()
    assert shop.app.codec.decode(early.body).expires == START.timestamp() + 600.0


def test_options_of_a_call_hold(shop: Shop) -> None:
    with Session(shop.engine) as session, session.begin():
        shop.outbox.publish(
            session,
            shop.job.using(
                queue="mail", priority=3, retries=2, timeout="9s", backoff=["1s", 2], ttr="30s",
                headers={"tenant": "acme"},
            ),
            1,
        )  # fmt: skip
    shop.relay()

    (found,) = shop.app.engine.admin().list()
    headers = shop.app.codec.decode(found.body).headers
    assert (found.queue, found.priority, found.ttr) == ("mail", 3, 30.0)
    assert {"retries": 2, "timeout": 9.0, "backoff": [1.0, 2.0], "tenant": "acme"}.items() <= (
        headers.items()
    )


def test_middleware_sees_the_call_and_listeners_the_queue(shop: Shop) -> None:
    seen: list[str] = []

    def stamp(message: pulpo.Message) -> Iterator[pulpo.Message]:
        seen.append("around")
        yield message.with_headers({"trace": "abc"})

    shop.app.around("publish", stamp)
    shop.app.on("published", lambda event: seen.append(event.id))
    (ref,) = shop.add(7)
    assert seen == ["around"]
    shop.relay()
    shop.app.sender.listeners.flush(5.0)

    assert seen == ["around", ref]
    (found,) = shop.app.engine.admin().list()
    assert shop.app.codec.decode(found.body).user_headers() == {"trace": "abc"}


def test_a_queue_that_is_out_of_reach_keeps_all_rows(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    ids = shop.add(1, 2)
    error = pulpo.QueueUnavailableError("out of reach")

    def refuse(jobs: object) -> None:
        raise error

    break_put(shop, monkeypatch, refuse)
    assert shop.relay() == Relayed(left=True, error=error)
    assert [row.id for row in shop.rows()] == ids
    monkeypatch.undo()

    assert shop.relay() == Relayed(count=2)
    assert shop.queued_ids() == ids


def test_each_row_has_its_own_fate(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    ids = shop.add(1, 2, 3, 4)
    real = shop.app.sender.connections().adapter().put
    full = pulpo.QueueFullError("full")

    def answer(jobs: Any) -> list[Any]:
        said = list(real([jobs[0]]))
        return [*said, full, pulpo.NotAcceptedError("never"), pulpo.PublishUncertainError("?")]

    break_put(shop, monkeypatch, answer)
    relayed = shop.relay()

    assert (relayed.count, relayed.refused, relayed.left, relayed.error) == (1, 1, True, full)
    assert [(row.id, row.refused) for row in shop.rows()] == [
        (ids[1], None),
        (ids[2], "NotAcceptedError: never"),
        (ids[3], None),
    ]
    monkeypatch.undo()
    assert shop.relay() == Relayed(count=2)
    assert shop.queued_ids() == [ids[0], ids[1], ids[3]]


def test_one_job_that_is_too_big_for_the_queue_keeps_nobody_else(engine: Engine) -> None:
    shop = Shop(engine, ManualClock(START.timestamp()), most_bytes=50_000_000)
    with Session(engine) as session, session.begin():
        first = shop.outbox.publish(session, shop.job, 1)
        shop.outbox.publish(session, shop.job, "x" * 20_000_000)  # type: ignore[arg-type]
        last = shop.outbox.publish(session, shop.job, 2)

    assert shop.relay() == Relayed(count=2, refused=1)
    assert shop.queued_ids() == [first.id, last.id]
    (row,) = shop.rows()
    assert row.refused.startswith("JobTooBigError: job of type")
    rows = shop.outbox.relay.open_rows()
    assert (rows.waiting().jobs, rows.waiting().oldest, rows.waiting().refused) == (0, None, 1)
    assert rows.again() == 1
    assert shop.relay() == Relayed(count=0, refused=1)


def test_a_row_that_nobody_with_a_key_has_written_is_put_aside(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PULPO_SIGNING_KEYS", "secret")
    shop = Shop(engine, ManualClock(START.timestamp()))
    (good,) = shop.add(1)
    with engine.begin() as connection:
        row = connection.execute(select(shop.outbox.table)).one()
        unsigned = Codec().encode({"type": "pulpo.kept", "id": row.id, "said": {"type": "t"}}, None)
        for message in (unsigned, b"\xff"):
            connection.execute(
                shop.outbox.table.insert().values(
                    id=row.id, type="t", message=message, added_at=datetime.now(UTC)
                )
            )

    assert shop.relay() == Relayed(count=1, refused=2)
    assert shop.queued_ids() == [good]
    assert [row.refused.partition(":")[0] for row in shop.rows()] == ["SignatureError"] * 2


def test_rows_that_another_relay_works_on_are_left_to_it(shop: Shop) -> None:
    shop.add(1)
    with shop.outbox.relay.open_rows().flight(10) as flight:
        assert len(flight.rows) == 1
        assert shop.relay() == Relayed()
    assert len(shop.rows()) == 1

    assert shop.relay() == Relayed(count=1)


def test_others_write_while_a_relay_speaks_to_the_queue(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    (first,) = shop.add(1)
    second: list[str] = []
    real = shop.app.sender.connections().adapter().put

    def slow(jobs: Any) -> Any:
        second.extend(shop.add(2))
        monkeypatch.undo()
        return real(jobs)

    break_put(shop, monkeypatch, slow)

    assert shop.relay() == Relayed(count=1)
    assert [row.id for row in shop.rows()] == second
    assert shop.queued_ids() == [first]


def test_a_table_goes_into_the_metadata_of_the_application(engine: Engine) -> None:
    metadata = MetaData()
    Outbox(engine, metadata=metadata, table="jobs_to_be", app=pulpo.Pulpo("memory://"))
    metadata.create_all(engine)

    with engine.connect() as connection:
        assert engine.dialect.has_table(connection, "jobs_to_be")


def test_a_burst_runs_what_was_in_the_outbox(shop: Shop) -> None:
    shop.add(*range(120))

    assert shop.app.run_worker(burst=True, side=False)

    assert sorted(DONE) == list(range(120))
    assert shop.rows() == []


def test_a_worker_relays_while_it_works_and_says_what_is_in_the_way_once(
    shop: Shop, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "pulpo.outbox")
    is_down = True
    real = shop.outbox.relay.open_rows

    class Fragile:
        def __init__(self) -> None:
            self._rows = real()

        def __getattr__(self, name: str) -> Any:
            if name == "flight" and is_down:
                raise OSError("the database is gone")
            return getattr(self._rows, name)

    monkeypatch.setattr(shop.outbox.relay, "open_rows", Fragile)
    monkeypatch.setattr("pulpo.contrib.outbox.attending._LOOK", 0.001)
    with shop.app.start_worker(side=False):
        shop.add(1)
        until(lambda: len(caplog.records) == 1, "a complaint")
        assert not DONE
        is_down = False
        until(lambda: DONE == [1], "the job")
    assert [record.getMessage().partition(": ")[2] for record in caplog.records[:1]] == [
        "OSError: the database is gone"
    ]
    assert caplog.records[1].getMessage().endswith("relayed again")
