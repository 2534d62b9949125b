"""The roles that the reference names: each can do what it is for, and nothing else."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import psycopg
import pytest

import pulpo
from pulpo.adapters import open_engine
from pulpo.errors import QueueUnavailableError
from pulpo.identity import new_id
from pulpo.job import Existing, Guard, NewJob, Settlement, Verb
from pulpo.side import Addition, KeepsSide, Write
from tests.lab.postgresql import PostgreSQL

ROOT = Path(__file__).parents[3]
ROLES = ("pulpo_unique_producer", "pulpo_producer", "pulpo_worker", "pulpo_reader")
PAGE = (ROOT / "docs" / "reference" / "engines.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def roles(postgresql: PostgreSQL) -> Iterator[None]:
    (grants,) = re.findall(r'```sql title="roles.sql"\n(.*?)```', PAGE, re.DOTALL)
    with closing(open_engine(f"{postgresql.url}?create=1").admin()) as admin:
        admin.queues()
    postgresql.psql(grants)
    for role in ROLES:
        postgresql.psql(f"ALTER ROLE {role} LOGIN")
    yield
    for role in ROLES:
        postgresql.psql(f"DROP OWNED BY {role}; DROP ROLE {role}")


@pytest.fixture
def url(postgresql: PostgreSQL, postgresql_url: str, roles: None) -> str:
    return postgresql.url.replace("test@", "{role}@")


def job() -> NewJob:
    return NewJob(id=new_id(), type="t", queue="q", body=b"x")


def test_a_producer_publishes_and_does_nothing_else(url: str) -> None:
    with closing(open_engine(url.format(role="pulpo_producer")).adapter()) as producer:
        for count in (1, 3, 150):
            assert len(producer.put([job() for _ in range(count)])) == count
        with pytest.raises(QueueUnavailableError, match="permission denied"):
            producer.exchange([], ["q"], limit=1, timeout=0)
    with psycopg.connect(url.format(role="pulpo_producer")) as connection:
        with pulpo.Pulpo(url.format(role="pulpo_producer")) as app:
            app.publish(pulpo.Message(type="x"), within=connection)
        for wrong in ("SELECT body FROM pulpo.jobs", "DELETE FROM pulpo.jobs"):
            with pytest.raises(psycopg.errors.InsufficientPrivilege), connection.transaction():
                connection.execute(wrong)


def test_a_producer_of_unique_jobs_sees_who_holds_a_key_and_nothing_else(url: str) -> None:
    unique = replace(job(), guards=[Guard("k"), Guard("for-a-time", until=60.0)])
    with closing(open_engine(url.format(role="pulpo_unique_producer")).adapter()) as producer:
        second = replace(job(), guards=[Guard("k")])
        assert producer.put([unique, second, job()])[1] == Existing(unique.id, "q")
        started = [replace(job(), guards=[Guard("s", until="started")]) for _ in range(2)]
        assert producer.put(started)[1] == Existing(started[0].id, "q")
    with psycopg.connect(url.format(role="pulpo_unique_producer")) as connection:
        for wrong in ("SELECT body FROM pulpo.jobs", "UPDATE pulpo.jobs SET state = 4"):
            with pytest.raises(psycopg.errors.InsufficientPrivilege), connection.transaction():
                connection.execute(wrong)


def test_a_worker_and_an_operator_need_no_more_than_their_role(url: str) -> None:
    engine = open_engine(url.format(role="pulpo_worker"))
    assert isinstance(engine, KeepsSide)
    with (
        closing(engine.adapter()) as worker,
        closing(engine.admin()) as admin,
        closing(engine.side()) as side,  # type: ignore[type-var]
    ):
        new = [job(), job()]
        worker.put(new)
        _, (one, two) = worker.exchange([], ["q"], limit=2, timeout=0)
        worker.touch([one, two])
        worker.leave([one])
        retry = Settlement(Verb.REPLACE, one, rewritten=new[0], then=[job()])
        assert worker.exchange([retry], ["q"], limit=5, timeout=0.05)[0] == [True]
        admin.pause("q", 5)
        admin.resume("q")
        assert admin.delete([new[1].id]) == [False]
        assert admin.stats("q").reserved == 3
        assert side is not None
        side.write([Write(space="s", key="k", value=b"v", lasts=None)])
        side.add([Addition(space="s", key="n", amounts={"n": 1}, lasts=5)])
    with psycopg.connect(url.format(role="pulpo_worker")) as connection:
        for wrong in ("DROP TABLE pulpo.jobs", "CREATE TABLE pulpo.mine (n integer)"):
            with pytest.raises(psycopg.errors.InsufficientPrivilege), connection.transaction():
                connection.execute(wrong)


def test_a_reader_sees_everything_and_changes_nothing(url: str) -> None:
    with closing(open_engine(url.format(role="pulpo_worker")).adapter()) as worker:
        new = job()
        worker.put([new])
    with closing(open_engine(url.format(role="pulpo_reader")).admin()) as reader:
        assert reader.queues() == ["q"]
        assert reader.stats("q").ready == 1
        assert [seen.id for seen in reader.list("q")] == [new.id]
        assert [seen.id for page in reader.walk() for seen in page.jobs] == [new.id]
        for wrong in (
            lambda: reader.delete([new.id]),
            lambda: reader.kick_all("q"),
            lambda: reader.pause("q"),
        ):
            with pytest.raises(QueueUnavailableError, match="permission denied"):
                wrong()
