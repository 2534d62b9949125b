"""Tables that come by numbered steps, on a queue in use, and never by surprise."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import psycopg
import pytest

from pulpo.adapters import open_engine
from pulpo.adapters.postgresql import migrating
from pulpo.adapters.postgresql.migrating import migrate, version_of
from pulpo.adapters.postgresql.steps import STEPS, Step, as_script
from pulpo.errors import QueueUnusableError, UsageError
from pulpo.identity import new_id
from pulpo.job import NewJob, Settlement, Verb
from tests.acceptance.command_line import CommandLine
from tests.lab.postgresql import PostgreSQL
from tests.lab.processes import until


@pytest.fixture
def schema(postgresql: PostgreSQL, request: pytest.FixtureRequest) -> Iterator[str]:
    name = f"m{abs(hash(request.node.name)) % 10**12}"
    yield name
    postgresql.psql(f"DROP SCHEMA IF EXISTS {name} CASCADE")


@pytest.fixture
def connection(postgresql: PostgreSQL) -> Iterator[psycopg.Connection]:
    with psycopg.connect(postgresql.url, autocommit=True) as connection:
        yield connection


def job() -> NewJob:
    return NewJob(id=new_id(), type="t", queue="q", body=b"x")


def test_nothing_is_made_by_surprise(postgresql: PostgreSQL, schema: str) -> None:
    engine = open_engine(f"{postgresql.url}?schema={schema}")
    with closing(engine.adapter()) as adapter, closing(engine.admin()) as admin:
        for wrong in (
            lambda: adapter.put([job()]),
            lambda: adapter.exchange([], ["q"], limit=1, timeout=0),
            admin.queues,
        ):
            with pytest.raises(QueueUnusableError, match=r"`pulpo migrate`.*create=1"):
                wrong()

    assert postgresql.psql(f"SELECT to_regnamespace('{schema}') IS NULL") == "t"


def test_the_url_may_ask_for_it(postgresql: PostgreSQL, schema: str) -> None:
    engine = open_engine(f"{postgresql.url}?schema={schema}&create=1")
    errors: list[BaseException] = []

    def put() -> None:
        try:
            with closing(engine.adapter()) as adapter:
                adapter.put([job()])
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=put) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert errors == []
    assert postgresql.psql(f"SELECT count(*) FROM {schema}.jobs") == "6"


def test_two_schemas_are_two_queues(postgresql: PostgreSQL, schema: str) -> None:
    here, there = (
        open_engine(f"{postgresql.url}?create=1&schema={name}") for name in (schema, f"{schema}_b")
    )
    with closing(here.adapter()) as one, closing(there.adapter()) as other:
        one.put([job()])

        assert not other.exchange([], ["q"], limit=1, timeout=0)[1]
        assert len(one.exchange([], ["q"], limit=1, timeout=0)[1]) == 1
    postgresql.psql(f"DROP SCHEMA {schema}_b CASCADE")


def test_the_printed_script_makes_the_same(
    postgresql: PostgreSQL, schema: str, tmp_path: Path
) -> None:
    pulpo = CommandLine(tmp_path, f"{postgresql.url}?schema={schema}")
    said = pulpo("migrate", "--sql")
    assert said.code == 0
    assert pulpo("stats").code == 4, "it has only been printed"

    postgresql.psql(said.out)

    assert pulpo("stats").code == 0
    again = pulpo("migrate")
    assert (again.code, again.out.strip()) == (0, f"version {len(STEPS)}")
    assert pulpo("migrate", "--sql", "--after", str(len(STEPS))).out.count("CREATE") == 0


def test_the_command_says_what_is_missing_and_what_it_does(
    postgresql: PostgreSQL, schema: str, tmp_path: Path
) -> None:
    pulpo = CommandLine(tmp_path, f"{postgresql.url}?schema={schema}")

    refused = pulpo("publish", "x")
    assert refused.code == 4
    assert "pulpo migrate" in refused.err
    assert "create=1" in refused.err
    done = pulpo("migrate")
    reached = "".join(f"reached version {version}\n" for version in range(1, len(STEPS) + 1))
    assert (done.code, done.out, done.err) == (0, f"version {len(STEPS)}\n", reached)
    assert pulpo("migrate").err == "nothing to do\n"
    assert pulpo("publish", "x").code == 0


def test_other_engines_have_no_tables(tmp_path: Path) -> None:
    said = CommandLine(tmp_path, "sqlite:///q.db")("migrate")

    assert said.code == 5
    assert "sqlite has no tables" in said.err


def test_no_version_is_skipped_or_invented(schema: str) -> None:
    with pytest.raises(UsageError, match="only 0 to"):
        as_script(schema, after=99)


def test_a_step_that_fails_leaves_nothing_of_itself(
    connection: psycopg.Connection, schema: str
) -> None:
    bad = Step(("CREATE TABLE @.more (n integer)", "SELECT 1 / 0"))
    with pytest.raises(psycopg.errors.DivisionByZero):
        migrate(connection, schema, (*STEPS, bad))

    assert version_of(connection, schema) == len(STEPS)
    good = Step(("CREATE TABLE @.more (n integer)",))
    assert migrate(connection, schema, (*STEPS, good)) == 1
    assert version_of(connection, schema) == len(STEPS) + 1


def test_two_at_once_take_each_step_once(postgresql: PostgreSQL, schema: str) -> None:
    steps = (*STEPS, Step(("CREATE TABLE @.more (n integer)", "SELECT pg_sleep(0.3)")))
    taken: list[int] = []

    def take() -> None:
        with psycopg.connect(postgresql.url, autocommit=True) as connection:
            taken.append(migrate(connection, schema, steps))

    threads = [threading.Thread(target=take) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(taken) == [0, 0, len(steps)]


def test_a_queue_is_migrated_while_it_is_used(
    postgresql: PostgreSQL, connection: psycopg.Connection, schema: str
) -> None:
    engine = open_engine(f"{postgresql.url}?schema={schema}&create=1")
    over, done, errors = threading.Event(), 0, []

    def work() -> None:
        nonlocal done
        try:
            with closing(engine.adapter()) as adapter:
                while not over.is_set():
                    adapter.put([job() for _ in range(5)])
                    _, jobs = adapter.exchange([], ["q"], limit=5, timeout=0)
                    settled = [Settlement(Verb.DELETE, taken) for taken in jobs]
                    adapter.exchange(settled, [], limit=0, timeout=0)
                    done += len(jobs)
        except BaseException as error:
            errors.append(error)

    worker = threading.Thread(target=work)
    worker.start()
    until(lambda: done > 20, "work")
    steps = (
        *STEPS,
        Step(("ALTER TABLE @.jobs ADD COLUMN more text",)),
        Step(
            ("CREATE INDEX CONCURRENTLY IF NOT EXISTS jobs_more ON @.jobs (more)",),
            is_atomic=False,
        ),
    )
    assert migrate(connection, schema, steps) == 2
    before = done
    until(lambda: done > before + 20 or errors, "more work")
    over.set()
    worker.join()

    assert errors == []


def test_a_step_gives_up_where_it_would_keep_everybody_waiting(
    postgresql: PostgreSQL,
    connection: psycopg.Connection,
    schema: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(migrating, "_LITTLE_PATIENCE", "SET LOCAL lock_timeout = '100ms'")
    migrate(connection, schema)
    with psycopg.connect(postgresql.url) as other:
        other.execute(f"SELECT count(*) FROM {schema}.jobs")  # and its transaction stays open

        with pytest.raises(psycopg.errors.LockNotAvailable):
            migrate(connection, schema, (*STEPS, Step(("ALTER TABLE @.jobs ADD more text",))))

    assert version_of(connection, schema) == len(STEPS)


def test_an_older_schema_is_named_with_both_versions(
    postgresql: PostgreSQL,
    connection: psycopg.Connection,
    schema: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    migrate(connection, schema)
    monkeypatch.setattr(migrating, "STEPS", (*STEPS, Step(())))

    engine = open_engine(f"{postgresql.url}?schema={schema}")
    with (
        closing(engine.admin()) as admin,
        pytest.raises(
            QueueUnusableError,
            match=f"has version {len(STEPS)}, this pulpo needs {len(STEPS) + 1}",
        ),
    ):
        admin.queues()


def test_a_newer_schema_is_used_as_it_is(
    postgresql: PostgreSQL, connection: psycopg.Connection, schema: str
) -> None:
    migrate(connection, schema, (*STEPS, Step(("CREATE TABLE @.more (n integer)",))))

    with closing(open_engine(f"{postgresql.url}?schema={schema}").admin()) as admin:
        assert admin.queues() == []


def test_a_database_of_another_encoding_is_refused(postgresql: PostgreSQL) -> None:
    postgresql.psql("CREATE DATABASE latin ENCODING 'LATIN1' TEMPLATE template0")
    url = postgresql.url.replace("/postgres", "/latin")

    with (
        closing(open_engine(f"{url}?create=1").admin()) as admin,
        pytest.raises(QueueUnusableError, match="UTF8"),
    ):
        admin.queues()


@pytest.mark.parametrize(
    ("query", "named"),
    [
        ("schema=Bad-Name", "schema"),
        ("schema=pg_x", "schema"),
        ("pooled=2", "pooled"),
        ("max_job_size=0", "max_job_size"),
        ("wrong_option=1", "wrong_option"),
    ],
)
def test_a_wrong_option_is_named_before_anything_is_opened(query: str, named: str) -> None:
    with pytest.raises(UsageError, match=named):
        open_engine(f"postgresql://127.0.0.1:1/db?{query}")


def test_what_libpq_knows_is_passed_on(postgresql: PostgreSQL, postgresql_url: str) -> None:
    for url in (
        f"{postgresql.socket_url}&application_name=shop%20one&create=1",
        f"postgres://test@127.0.0.1:1,127.0.0.1:{postgresql.port}/postgres?create=1",
    ):
        with closing(open_engine(url).admin()) as admin:
            assert admin.queues() == []


def test_without_psycopg_the_extra_is_named(tmp_path: Path) -> None:
    code = (
        "import sys; sys.modules['psycopg'] = None\n"
        "import pulpo\n"
        "try: pulpo.Pulpo('postgresql://h/d')\n"
        "except pulpo.UsageError as error: print(error)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
    )

    assert "pip install 'pulpo-messaging[postgres]'" in done.stdout


def test_only_a_file_can_be_salvaged(postgresql: PostgreSQL, tmp_path: Path) -> None:
    said = CommandLine(tmp_path, postgresql.url)("doctor", "--salvage", "x.db")

    assert said.code == 5
