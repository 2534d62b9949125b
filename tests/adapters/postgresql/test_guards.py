"""Keys of jobs in PostgreSQL: in a user's transaction, in large batches, over versions."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace

import psycopg
import pytest
import sqlalchemy
from psycopg.rows import dict_row
from sqlalchemy.ext.asyncio import create_async_engine

import pulpo
from pulpo.adapter import Engine
from pulpo.adapters import open_engine
from pulpo.adapters.postgresql.migrating import migrate
from pulpo.adapters.postgresql.steps import STEPS
from pulpo.identity import new_id
from pulpo.job import Act, Change, Existing, Guard, NewJob
from tests.lab.counted_line import CountedLine
from tests.lab.postgresql import PostgreSQL

EXPORT = pulpo.Message(type="export", body={"user": 7}, unique=pulpo.Unique(by="user"))
NEWER = replace(
    EXPORT,
    id=new_id(),
    body={"user": 7, "format": "pdf"},
    unique=pulpo.Unique(by="user", on_conflict="replace"),
)


def another(message: pulpo.Message = EXPORT) -> pulpo.Message:
    return replace(message, id=new_id())


def bodies(app: pulpo.Pulpo) -> list[object]:
    with closing(app.engine.admin()) as admin:
        return [app.codec.decode(job.body).body for job in admin.list()]


def job(key: str, **options: object) -> NewJob:
    return NewJob(id=new_id(), type="t", queue="q", body=b"x", guards=[Guard(key, **options)])  # type: ignore[arg-type]


# In a user's transaction


def test_a_unique_job_is_one_within_a_transaction(
    app: pulpo.Pulpo, connection: psycopg.Connection
) -> None:
    first = app.publish(another(), within=connection)
    second = app.publish(another(), within=connection)
    connection.commit()
    third = app.publish(another())

    assert [ref.id for ref in (second, third)] == [first.id] * 2
    assert [ref.existing for ref in (first, second, third)] == [False, True, True]


def test_a_transaction_that_is_rolled_back_holds_no_key(
    app: pulpo.Pulpo, connection: psycopg.Connection
) -> None:
    app.publish(another(), within=connection)
    app.publish(pulpo.Message(type="x", id="order-17"), within=connection)
    connection.rollback()

    assert not app.publish(another()).existing
    assert not app.publish(pulpo.Message(type="x", id="order-17")).existing


def test_whoever_wants_the_key_of_an_open_transaction_waits_for_its_end(
    app: pulpo.Pulpo, connection: psycopg.Connection
) -> None:
    first = app.publish(another(), within=connection)
    found: list[pulpo.JobRef] = []
    thread = threading.Thread(target=lambda: found.append(app.publish(another())))
    thread.start()
    thread.join(0.4)
    assert found == []

    connection.commit()
    thread.join(5)

    assert [(ref.id, ref.existing) for ref in found] == [(first.id, True)]


def test_who_waits_becomes_another_one_with_the_commit(
    app: pulpo.Pulpo, postgresql: PostgreSQL
) -> None:
    first = app.publish(another())
    with psycopg.connect(postgresql.url, row_factory=dict_row) as connection:
        assert app.publish(another(NEWER), within=connection).id == first.id
        connection.rollback()
        assert bodies(app) == [EXPORT.body]
        assert app.publish(another(NEWER), within=connection).id == first.id

    assert bodies(app) == [NEWER.body]


def test_sqlalchemy_takes_them_too(app: pulpo.Pulpo, postgresql: PostgreSQL) -> None:
    engine = sqlalchemy.create_engine(postgresql.url.replace("postgresql:", "postgresql+psycopg:"))
    with engine.begin() as connection:
        first = app.publish(another(), within=connection)
        again = app.publish(another(NEWER), within=connection)
    engine.dispose()

    assert (again.id, again.existing) == (first.id, True)
    assert bodies(app) == [NEWER.body]


@pytest.mark.parametrize("driver", ["psycopg", "asyncpg"])
def test_async_connections_take_them_too(
    app: pulpo.Pulpo, postgresql: PostgreSQL, driver: str
) -> None:
    async def run() -> list[pulpo.JobRef]:
        engine = create_async_engine(postgresql.url.replace("postgresql:", f"postgresql+{driver}:"))
        async with engine.begin() as connection:
            batch = [another(), another(), pulpo.Message(type="x", id="order-17")]
            found = await app.apublish_many(batch, within=connection)
            found.append(await app.apublish(another(NEWER), within=connection))
        await engine.dispose()
        return found

    found = asyncio.run(run())

    assert [ref.existing for ref in found] == [False, True, False, True]
    assert bodies(app) == [NEWER.body, None]


# On the line


def test_a_job_with_a_key_is_one_round_trip(postgresql: PostgreSQL, postgresql_url: str) -> None:
    with CountedLine(postgresql.port) as line:
        url = f"postgresql://test@127.0.0.1:{line.port}/postgres?create=1"
        with closing(open_engine(url).adapter()) as adapter:
            adapter.put([job("warm")])
            before = line.trips
            adapter.put([job("a")])
            adapter.put([job(f"b{n}") for n in range(200)])

            assert line.trips - before == 2


def test_a_large_batch_holds_each_key_once(postgresql_url: str) -> None:
    with closing(open_engine(postgresql_url).adapter()) as adapter:
        jobs = [job(f"k{n % 1_500}", until=60.0 if n % 2 else "done") for n in range(3_000)]

        answers = adapter.put(jobs)

        assert answers[:1_500] == [each.id for each in jobs[:1_500]]
        assert answers[1_500:] == [Existing(each.id, "q") for each in jobs[:1_500]]


def test_batches_in_opposite_order_do_not_wait_in_a_circle(postgresql_url: str) -> None:
    engine, answers = open_engine(postgresql_url), []

    def put(keys: list[str]) -> None:
        with closing(engine.adapter()) as adapter:
            for _ in range(10):
                answers.extend(adapter.put([job(key) for key in keys]))

    keys = [f"k{n}" for n in range(100)]
    threads = [threading.Thread(target=put, args=(each,)) for each in (keys, keys[::-1])]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(answers) == 2_000
    assert len([answer for answer in answers if isinstance(answer, str)]) == 100


def test_an_index_keeps_a_key_to_one_job_whatever_comes(postgresql_url: str) -> None:
    """Kicks take no lock: that of two one wins is the index's doing."""
    engine = open_engine(postgresql_url)
    with closing(engine.adapter()) as adapter, closing(engine.admin()) as admin:
        for round_ in range(20):
            key = f"k{round_}"
            adapter.put([first := job(key)])
            (seen,) = admin.peek([first.id])
            assert seen is not None
            admin.change([Change(Act.BURY, seen.sighting, first)])
            kicked: list[bool] = []
            thread = threading.Thread(target=kick, args=(engine, first.id, kicked))
            thread.start()
            (answer,) = adapter.put([job(key)])
            thread.join()

            assert kicked == [isinstance(answer, Existing)]


def kick(engine: Engine, id: str, kicked: list[bool]) -> None:
    with closing(engine.admin()) as admin:
        kicked += admin.kick([id])


# Over versions


@pytest.fixture
def schema(postgresql: PostgreSQL) -> Iterator[str]:
    yield "older"
    postgresql.psql("DROP SCHEMA IF EXISTS older CASCADE")


def test_a_queue_of_the_first_version_is_brought_up_with_its_jobs(
    postgresql: PostgreSQL, connection: psycopg.Connection, schema: str
) -> None:
    connection.autocommit = True
    migrate(connection, schema, STEPS[:1])
    connection.execute(
        f"INSERT INTO {schema}.jobs (id, type, queue, priority, body) "
        "VALUES ('old', 't', 'q', 1, 'x')"
    )

    assert migrate(connection, schema) == len(STEPS) - 1

    with closing(open_engine(f"{postgresql.url}?schema={schema}").adapter()) as adapter:
        assert adapter.put([first := job("k"), job("k")])[1] == Existing(first.id, "q")
        taken = adapter.exchange([], ["q"], limit=5, timeout=0)[1]
    assert [each.id for each in taken] == ["old", first.id]


def test_an_index_that_was_cut_short_is_built_anew(
    postgresql: PostgreSQL, connection: psycopg.Connection, schema: str
) -> None:
    connection.autocommit = True
    migrate(connection, schema, STEPS[:2])
    # What a killed CREATE INDEX CONCURRENTLY leaves has the name, and guards nothing.
    connection.execute(f"CREATE INDEX jobs_guard ON {schema}.jobs (guard)")

    migrate(connection, schema)

    ((unique, valid),) = connection.execute(
        "SELECT indisunique, indisvalid FROM pg_index WHERE indexrelid = %s::regclass",
        (f"{schema}.jobs_guard",),
    ).fetchall()
    assert unique
    assert valid


def test_making_a_queue_waits_for_nobody(postgresql: PostgreSQL, schema: str) -> None:
    with psycopg.connect(postgresql.url) as other, psycopg.connect(postgresql.url) as mine:
        other.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        other.execute("SELECT 1")  # and its picture stays open
        mine.autocommit = True
        mine.execute("SET lock_timeout = '2s'; SET statement_timeout = '5s'")

        assert migrate(mine, schema) == len(STEPS)
