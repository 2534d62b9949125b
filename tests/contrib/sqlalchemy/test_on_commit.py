"""Jobs published at the commit of a real SQLAlchemy session, on a real SQLite file."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator

import pytest
from sqlalchemy import text
from sqlalchemy.engine import Engine
from sqlalchemy.ext.asyncio import AsyncSession, create_async_engine
from sqlalchemy.orm import Session, scoped_session, sessionmaker

import pulpo
from pulpo.job import JobState

DONE: list[tuple[object, ...]] = []


@pytest.fixture
def app() -> Iterator[pulpo.Pulpo]:
    DONE.clear()
    with pulpo.Pulpo("memory://") as made:
        yield made


@pytest.fixture(autouse=True)
def table(engine: Engine) -> None:
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE person (name TEXT)"))


@pytest.fixture
def session(engine: Engine) -> Iterator[Session]:
    with Session(engine) as made:
        yield made


def welcome(user_id: int, *, lang: str = "en") -> None:
    DONE.append((user_id, lang))


def add_person(session: Session) -> None:
    session.execute(text("INSERT INTO person VALUES ('Ada')"))


def persons(engine: Engine) -> int:
    with engine.connect() as connection:
        return connection.execute(text("SELECT count(*) FROM person")).scalar_one()


def bodies(app: pulpo.Pulpo) -> list[object]:
    """What is queued, in order."""
    listed = app.engine.admin().list()
    return [app.codec.decode(job.body).body for job in listed]


def test_a_job_is_published_when_the_session_commits(
    app: pulpo.Pulpo, session: Session, engine: Engine
) -> None:
    job = app.job(welcome)
    add_person(session)

    ref = app.on_commit(session, job, 7, lang="de")

    assert bodies(app) == []
    session.commit()
    assert bodies(app) == [{"user_id": 7, "lang": "de"}]
    assert [found.id for found in app.engine.admin().list()] == [ref.id]
    assert persons(engine) == 1


def test_nothing_is_published_when_the_session_rolls_back(
    app: pulpo.Pulpo, session: Session
) -> None:
    job = app.job(welcome)
    add_person(session)
    app.on_commit(session, job, 7)

    session.rollback()
    session.commit()

    assert bodies(app) == []


def test_nothing_is_published_when_the_session_is_closed(
    app: pulpo.Pulpo, session: Session
) -> None:
    app.on_commit(session, app.job(welcome), 7)

    session.close()

    assert bodies(app) == []


def test_nothing_is_published_when_the_block_raises(app: pulpo.Pulpo, engine: Engine) -> None:
    job = app.job(welcome)

    def fail() -> None:
        with Session(engine) as session, session.begin():
            app.on_commit(session, job, 7)
            raise LookupError

    with pytest.raises(LookupError):
        fail()
    assert bodies(app) == []


def test_a_commit_that_fails_publishes_nothing(app: pulpo.Pulpo, engine: Engine) -> None:
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE a (id INTEGER PRIMARY KEY)"))
        connection.execute(
            text("CREATE TABLE b (a INTEGER REFERENCES a(id) DEFERRABLE INITIALLY DEFERRED)")
        )
    job = app.job(welcome)
    with Session(engine) as session:
        if engine.dialect.name == "sqlite":
            session.execute(text("PRAGMA foreign_keys=ON"))
            session.commit()
        session.execute(text("INSERT INTO b VALUES (1)"))
        app.on_commit(session, job, 7)
        with pytest.raises(Exception, match=r"(?i)foreign key"):
            session.commit()
        session.rollback()

    assert bodies(app) == []


def test_a_message_is_published_like_a_job(app: pulpo.Pulpo, session: Session) -> None:
    ref = app.on_commit(session, pulpo.Message(type="mail", body=[1], queue="post"))
    session.commit()

    (found,) = app.engine.admin().list()
    assert (found.id, found.queue) == (ref.id, "post")
    assert ref.queue == "post"


def test_a_savepoint_takes_its_jobs_with_it(app: pulpo.Pulpo, session: Session) -> None:
    job = app.job(welcome)
    app.on_commit(session, job, 1)
    with session.begin_nested():
        app.on_commit(session, job, 2)
        with session.begin_nested() as savepoint:
            app.on_commit(session, job, 3)
            savepoint.rollback()
        with session.begin_nested():
            app.on_commit(session, job, 4)
    doomed = session.begin_nested()
    app.on_commit(session, job, 5)
    with session.begin_nested():
        app.on_commit(session, job, 6)
    doomed.rollback()
    assert bodies(app) == []

    session.commit()

    assert [body["user_id"] for body in bodies(app)] == [1, 2, 4]  # type: ignore[index]


def test_each_transaction_of_a_session_publishes_its_own(
    app: pulpo.Pulpo, session: Session
) -> None:
    job = app.job(welcome)
    for number in (1, 2):
        add_person(session)
        app.on_commit(session, job, number)
        session.commit()
        assert len(bodies(app)) == number
    session.commit()

    assert len(bodies(app)) == 2


def test_the_jobs_of_a_transaction_go_out_in_one_round_trip(
    app: pulpo.Pulpo, session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = app.job(welcome)
    adapter = app.sender.connections().adapter()
    sizes: list[int] = []
    real = adapter.put
    monkeypatch.setattr(adapter, "put", lambda jobs: (sizes.append(len(jobs)), real(jobs))[1])
    for number in range(20):
        app.on_commit(session, job, number)
        session.flush()
    session.commit()

    assert sizes == [20]


def test_a_wrong_call_fails_at_the_call(app: pulpo.Pulpo, session: Session) -> None:
    job = app.job(welcome)

    with pytest.raises(TypeError, match="welcome"):
        app.on_commit(session, job)  # type: ignore[call-overload]
    with pytest.raises(pulpo.EncodeError, match="object"):
        app.on_commit(session, job, object())  # type: ignore[arg-type]
    with pytest.raises(pulpo.JobTooBigError, match="welcome"):
        app.on_commit(session, job, "x" * 20_000_000)  # type: ignore[arg-type]
    with pytest.raises(pulpo.WrongTypeError, match="arguments already"):
        app.on_commit(session, job.message(1), 2)  # type: ignore[call-overload]
    with pytest.raises(pulpo.WrongTypeError, match="'welcome'"):
        app.on_commit(session, "welcome", 2)  # type: ignore[call-overload]
    with pytest.raises(pulpo.WrongTypeError, match="session"):
        app.on_commit(3.5, job, 7)
    with pytest.raises(pulpo.WrongTypeError, match="session"):
        app.on_commit()  # type: ignore[call-overload]
    session.commit()
    assert bodies(app) == []


def test_what_happens_to_an_argument_afterwards_is_not_published(
    app: pulpo.Pulpo, session: Session
) -> None:
    names = ["Ada"]
    app.on_commit(session, pulpo.Message(type="t", body=names))
    names.append("Eve")
    session.commit()

    assert bodies(app) == [["Ada"]]


def test_options_of_a_call_hold(app: pulpo.Pulpo, session: Session) -> None:
    job = app.job(welcome)
    app.on_commit(
        session, job.using(queue="late", priority=3, delay="1h", headers={"tenant": "acme"}), 7
    )
    session.commit()

    (found,) = app.engine.admin().list()
    assert (found.queue, found.priority, found.state) == ("late", 3, JobState.DELAYED)
    assert 3500 < found.due <= 3600
    assert app.codec.decode(found.body).user_headers() == {"tenant": "acme"}


def test_middleware_sees_the_context_of_the_call(app: pulpo.Pulpo, session: Session) -> None:
    tenant = "acme"
    told: list[object] = []

    def stamp(message: pulpo.Message) -> Iterator[pulpo.Message]:
        told.append((yield message.with_headers({"tenant": tenant})))  # type: ignore[misc]

    app.around("publish", stamp)
    ref = app.on_commit(session, app.job(welcome), 7)
    tenant = "other"
    session.commit()

    (found,) = app.engine.admin().list()
    assert app.codec.decode(found.body).user_headers() == {"tenant": "acme"}
    assert told == [ref]


def test_listeners_are_told_once_it_is_published(app: pulpo.Pulpo, session: Session) -> None:
    told: list[str] = []
    app.on("published", lambda event: told.append(event.id))
    gone = app.on_commit(session, app.job(welcome), 7)
    session.rollback()
    ref = app.on_commit(session, app.job(welcome), 8)
    session.commit()
    app.sender.listeners.flush(5.0)

    assert told == [ref.id]
    assert gone.id not in told


def test_a_put_that_fails_is_raised_by_the_commit_and_the_transaction_stands(
    app: pulpo.Pulpo, session: Session, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    adapter = app.sender.connections().adapter()

    def refuse(jobs: object) -> None:
        raise pulpo.QueueUnavailableError("out of reach")

    monkeypatch.setattr(adapter, "put", refuse)
    add_person(session)
    ref = app.on_commit(session, app.job(welcome), 7)
    with pytest.raises(pulpo.QueueUnavailableError) as caught:
        session.commit()

    assert ref.id in caught.value.__notes__[0]
    assert persons(engine) == 1
    monkeypatch.undo()
    add_person(session)  # the session is as after any commit
    app.on_commit(session, app.job(welcome), 8)
    session.commit()
    assert persons(engine) == 2
    assert [body["user_id"] for body in bodies(app)] == [8]  # type: ignore[index]


def test_a_block_that_commits_raises_it_too(
    app: pulpo.Pulpo, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    adapter = app.sender.connections().adapter()

    def refuse(jobs: object) -> None:
        raise pulpo.QueueFullError("full")

    monkeypatch.setattr(adapter, "put", refuse)
    job = app.job(welcome)

    def buy() -> None:
        with Session(engine) as session, session.begin():
            add_person(session)
            app.on_commit(session, job, 7)

    with pytest.raises(pulpo.QueueFullError):
        buy()
    assert persons(engine) == 1


def test_a_registry_of_sessions_will_do(app: pulpo.Pulpo, engine: Engine) -> None:
    registry = scoped_session(sessionmaker(engine))
    app.on_commit(registry, app.job(welcome), 7)
    registry.commit()
    registry.remove()

    assert bodies(app) == [{"user_id": 7}]


def test_sessions_of_several_threads_do_not_mix(app: pulpo.Pulpo, engine: Engine) -> None:
    job = app.job(welcome)

    def work(number: int) -> None:
        with Session(engine) as session:
            app.on_commit(session, job, number)
            session.commit() if number % 2 else session.rollback()

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert {body["user_id"] for body in bodies(app)} == {1, 3, 5, 7}  # type: ignore[index]


def test_an_async_session_publishes_without_blocking_its_loop(
    app: pulpo.Pulpo, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = app.job(welcome)
    threads: list[str] = []

    async def main() -> None:
        engine = create_async_engine(database.replace("sqlite:", "sqlite+aiosqlite:"))
        adapter = await app.sender.connections().call(lambda adapter: adapter)
        real = adapter.put

        def put(jobs: object) -> object:
            threads.append(threading.current_thread().name)
            return real(jobs)  # type: ignore[arg-type]

        monkeypatch.setattr(adapter, "put", put)
        async with AsyncSession(engine) as session:
            app.on_commit(session, job, 1)
            await session.rollback()
            async with session.begin():
                app.on_commit(session, job, 2)
                async with session.begin_nested() as savepoint:
                    app.on_commit(session, job, 3)
                    await savepoint.rollback()
            app.on_commit(session, job, "x" * 20_000_000)  # type: ignore[arg-type]
            with pytest.raises(pulpo.JobTooBigError):
                await session.commit()
            await session.rollback()
            async with session.begin_nested() as savepoint:
                app.on_commit(session, job, "x" * 20_000_000)  # type: ignore[arg-type]
                await savepoint.rollback()
            await session.commit()
        await engine.dispose()

    asyncio.run(main())

    assert [body["user_id"] for body in bodies(app)] == [2]  # type: ignore[index]
    assert [name.startswith("pulpo-publish") for name in threads] == [True]


def test_jobs_of_two_apps_each_go_to_their_queue(session: Session) -> None:
    with pulpo.Pulpo("memory://") as one, pulpo.Pulpo("memory://") as two:
        one.on_commit(session, pulpo.Message(type="a", body=1))
        two.on_commit(session, pulpo.Message(type="a", body=2))
        session.commit()

        assert (bodies(one), bodies(two)) == ([1], [2])


def test_signed_jobs_are_published_signed(
    session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PULPO_SIGNING_KEYS", "secret")
    with pulpo.Pulpo("memory://") as app:
        app.on_commit(session, app.job(welcome), 7)
        session.commit()
        app.run_worker(burst=True, side=False)

    assert (7, "en") in DONE
