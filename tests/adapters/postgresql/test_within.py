"""Jobs as part of a user's transaction: there exactly when it is committed, by every library."""

from __future__ import annotations

import asyncio
import sys
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import suppress

import django
import psycopg
import pytest
import sqlalchemy
from django.conf import settings
from sqlalchemy.ext.asyncio import AsyncSession, create_async_engine
from sqlalchemy.orm import Session, scoped_session, sessionmaker

import pulpo
from tests.lab.postgresql import PostgreSQL

MAIL = pulpo.Message(type="mail", body={"to": 7})


def waiting(app: pulpo.Pulpo) -> int:
    admin = app.engine.admin()
    try:
        return sum(
            admin.stats(queue).ready + admin.stats(queue).delayed for queue in admin.queues()
        )
    finally:
        admin.close()


# psycopg


def test_a_job_is_there_when_the_transaction_is_committed(
    app: pulpo.Pulpo, connection: psycopg.Connection
) -> None:
    ref = app.publish(MAIL, within=connection)
    assert waiting(app) == 0

    connection.commit()

    assert waiting(app) == 1
    assert ref.id == MAIL.id


def test_a_job_is_not_there_when_the_transaction_is_rolled_back(
    app: pulpo.Pulpo, connection: psycopg.Connection
) -> None:
    app.publish(MAIL, within=connection)
    connection.rollback()

    assert waiting(app) == 0


def test_a_job_belongs_to_the_savepoint_it_was_published_in(
    app: pulpo.Pulpo, connection: psycopg.Connection
) -> None:
    with connection.transaction():
        app.publish_many([MAIL], within=connection)
        with suppress(ZeroDivisionError), connection.transaction():
            app.publish_many([pulpo.Message(type="x"), pulpo.Message(type="y")], within=connection)
            raise ZeroDivisionError

    assert waiting(app) == 1


def test_without_a_transaction_a_job_is_there_at_once(
    app: pulpo.Pulpo, postgresql: PostgreSQL
) -> None:
    with psycopg.connect(postgresql.url, autocommit=True) as connection:
        app.publish(MAIL, within=connection)

        assert waiting(app) == 1


def test_the_transaction_keeps_its_settings(
    app: pulpo.Pulpo, connection: psycopg.Connection
) -> None:
    connection.execute("SET synchronous_commit = off")
    app.publish(MAIL, within=connection)

    assert connection.execute("SHOW synchronous_commit").fetchone() == ("off",)


def test_delay_date_priority_and_queue_are_those_of_the_message(
    app: pulpo.Pulpo, connection: psycopg.Connection
) -> None:
    message = pulpo.Message(type="x", delay="1h", priority=3, queue="slow", expires="2h")
    app.publish(message, within=connection)
    connection.commit()
    admin = app.engine.admin()
    (job,) = admin.list()
    admin.close()

    assert (job.queue, job.priority, job.state.value) == ("slow", 3, "delayed")
    assert 3_500 < job.due <= 3_600


def test_a_job_function_publishes_within(app: pulpo.Pulpo, connection: psycopg.Connection) -> None:
    @app.job(type="square")
    def square(n: int) -> int:
        return n * n

    within = square.using(within=connection)
    within.delay(2)
    within.using(priority=1).delay_many([(3,), (4,)])
    within.schedule_in("1h", 5)
    assert waiting(app) == 0

    connection.commit()

    assert waiting(app) == 4


def test_a_job_that_was_committed_runs_at_once(
    app: pulpo.Pulpo, connection: psycopg.Connection
) -> None:
    ran = threading.Event()

    @app.job(type="ring")
    def ring() -> None:
        ran.set()

    with app.start_worker(threads=1):
        time.sleep(0.8)  # it waits by now, and has nothing to look for before its slow poll
        ring.using(within=connection).delay()
        assert not ran.wait(0.3)
        started = time.monotonic()
        connection.commit()

        assert ran.wait(3.0)
        assert time.monotonic() - started < 1.0


async def in_psycopg(url: str, publish: Callable[[object], Awaitable[object]]) -> None:
    async with await psycopg.AsyncConnection.connect(url) as connection:
        await publish(connection)
        await connection.rollback()
        await publish(connection)


async def in_sqlalchemy(url: str, publish: Callable[[object], Awaitable[object]]) -> None:
    for driver in ("psycopg", "asyncpg"):
        engine = create_async_engine(url.replace("postgresql:", f"postgresql+{driver}:"))
        async with AsyncSession(engine) as session:
            await publish(session)
            await session.rollback()
            await publish(session)
            await session.commit()
        async with engine.connect() as connection:
            await publish(connection)
            await connection.rollback()
            await publish(connection)
            await connection.commit()
        await engine.dispose()


@pytest.mark.parametrize(("way", "count"), [(in_psycopg, 1), (in_sqlalchemy, 4)])
def test_an_async_connection_takes_jobs_too(
    app: pulpo.Pulpo,
    postgresql: PostgreSQL,
    way: Callable[[str, Callable[[object], Awaitable[object]]], Awaitable[None]],
    count: int,
) -> None:
    async def publish(connection: object) -> None:
        many = [pulpo.Message(type="a"), pulpo.Message(type="b", delay=5)]
        await app.apublish_many(many, within=connection)
        await app.apublish(pulpo.Message(type="c"), within=connection)

    async def run() -> None:
        await way(postgresql.url, publish)

    asyncio.run(run())

    assert waiting(app) == 3 * count


# SQLAlchemy


@pytest.fixture
def sessions(postgresql: PostgreSQL) -> Iterator[sessionmaker[Session]]:
    engine = sqlalchemy.create_engine(postgresql.url.replace("postgresql:", "postgresql+psycopg:"))
    yield sessionmaker(engine)
    engine.dispose()


def test_a_session_of_sqlalchemy_takes_jobs(
    app: pulpo.Pulpo, sessions: sessionmaker[Session]
) -> None:
    with sessions() as session:
        app.publish(MAIL, within=session)
        session.rollback()
        assert waiting(app) == 0
        app.publish(MAIL, within=session)
        session.commit()
    scoped = scoped_session(sessions)
    app.publish(pulpo.Message(type="x"), within=scoped)
    scoped.commit()
    scoped.remove()

    assert waiting(app) == 2


def test_a_connection_of_sqlalchemy_takes_jobs(
    app: pulpo.Pulpo, sessions: sessionmaker[Session]
) -> None:
    with sessions.kw["bind"].begin() as connection:
        app.publish(MAIL, within=connection)
        assert waiting(app) == 0

    assert waiting(app) == 1


def test_a_session_on_another_database_is_refused(app: pulpo.Pulpo) -> None:
    with (
        Session(sqlalchemy.create_engine("sqlite://")) as session,
        pytest.raises(pulpo.UsageError, match="'sqlite'"),
    ):
        app.publish(MAIL, within=session)


# Django


@pytest.fixture
def databases(postgresql: PostgreSQL) -> Iterator[object]:
    if not settings.configured:
        settings.configure(
            DATABASES={
                "default": {
                    "ENGINE": "django.db.backends.postgresql",
                    "NAME": "postgres",
                    "USER": "test",
                    "HOST": "127.0.0.1",
                    "PORT": str(postgresql.port),
                },
                "lite": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"},
            }
        )
        django.setup()
    from django.db import connections

    yield connections
    connections.close_all()


def test_a_connection_of_django_takes_jobs(app: pulpo.Pulpo, databases: object) -> None:
    from django.db import connection, transaction

    with transaction.atomic():
        app.publish(MAIL, within=connection)
        assert waiting(app) == 0
    assert waiting(app) == 1

    with suppress(ZeroDivisionError), transaction.atomic():
        app.publish(pulpo.Message(type="x"), within=transaction.get_connection())
        raise ZeroDivisionError

    assert waiting(app) == 1


def test_a_connection_of_django_to_another_database_is_refused(
    app: pulpo.Pulpo, databases: object
) -> None:
    with pytest.raises(pulpo.UsageError, match="'sqlite'"):
        app.publish(MAIL, within=databases["lite"])  # type: ignore[index]


# What cannot be


@pytest.mark.parametrize("url", ["memory://", "sqlite:///q.db", "beanstalkd://127.0.0.1:1"])
def test_other_engines_say_that_they_cannot(url: str, connection: psycopg.Connection) -> None:
    with pulpo.Pulpo(url) as app:
        scheme = url.partition(":")[0]
        with pytest.raises(pulpo.UnsupportedError, match=f"{scheme} cannot publish within"):
            app.publish(MAIL, within=connection)


def test_what_is_no_connection_is_named(app: pulpo.Pulpo) -> None:
    with pytest.raises(pulpo.WrongTypeError, match="within= takes a connection of psycopg"):
        app.publish(MAIL, within="postgresql://")


def test_sync_and_async_are_not_mixed(
    app: pulpo.Pulpo, connection: psycopg.Connection, postgresql: PostgreSQL
) -> None:
    async def wrong() -> None:
        with pytest.raises(pulpo.WrongTypeError, match="would block"):
            await app.apublish(MAIL, within=connection)
        async with await psycopg.AsyncConnection.connect(postgresql.url) as other:
            with pytest.raises(pulpo.WrongTypeError, match="needs apublish"):
                app.publish(MAIL, within=other)

    asyncio.run(wrong())

    assert waiting(app) == 0


def test_a_database_without_the_schema_says_what_to_do(postgresql: PostgreSQL) -> None:
    with (
        pulpo.Pulpo(f"{postgresql.url}?schema=nobodys") as app,
        psycopg.connect(postgresql.url) as connection,
        pytest.raises(pulpo.QueueUnusableError, match=r"pulpo migrate.*create=1"),
    ):
        app.publish(MAIL, within=connection)


def test_the_tables_are_made_apart_from_the_transaction_where_the_url_says_so(
    postgresql: PostgreSQL, connection: psycopg.Connection
) -> None:
    with pulpo.Pulpo(f"{postgresql.url}?schema=within_made&create=1") as app:
        app.publish(MAIL, within=connection)
        connection.rollback()
        app.publish(MAIL, within=connection)
        connection.commit()

        assert waiting(app) == 1
    postgresql.psql("DROP SCHEMA within_made CASCADE")


def test_a_job_that_is_too_big_is_refused_before_anything_is_written(
    app: pulpo.Pulpo, connection: psycopg.Connection
) -> None:
    big = pulpo.Message(type="x", body="x" * 70_000)
    with pytest.raises(pulpo.JobTooBigError):
        app.publish_many([MAIL, big], within=connection)
    connection.commit()

    assert waiting(app) == 0


def test_publishing_needs_none_of_these_libraries() -> None:
    from pulpo.adapters.postgresql import within

    assert {"sqlalchemy", "django"}.isdisjoint(vars(within))
    assert "sqlalchemy" in sys.modules  # here, by this test


def test_a_lost_transaction_leaves_no_job(app: pulpo.Pulpo, postgresql: PostgreSQL) -> None:
    connection = psycopg.connect(postgresql.url)
    app.publish(MAIL, within=connection)
    connection.close()

    assert waiting(app) == 0
