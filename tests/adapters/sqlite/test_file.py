"""The queue file over time: versions, clocks, a full disk, and URLs that name none."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from pulpo.adapter import Engine
from pulpo.adapters import open_engine
from pulpo.adapters.sqlite.schema import APPLICATION_ID, STEPS, upgrade
from pulpo.clock import ManualClock
from pulpo.errors import QueueFullError, QueueUnavailableError, UsageError
from pulpo.job import JobState, NewJob, Settlement, Verb
from tests.lab.disks import small_disk
from tests.lab.needs import need

JOB = NewJob(id="j-1", type="t", queue="default", body=b"body")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "folder" / "queue.db"


@pytest.fixture
def engine(path: Path) -> Engine:
    return open_engine(f"sqlite:///{path}")


def put(engine: Engine, *jobs: NewJob) -> list[object]:
    adapter = engine.adapter()
    try:
        return list(adapter.put(jobs or (JOB,)))
    finally:
        adapter.close()


def version(path: Path) -> tuple[int, int]:
    with sqlite3.connect(path) as connection:
        found = connection.execute("PRAGMA application_id").fetchone()[0]
        number = connection.execute("PRAGMA user_version").fetchone()[0]
    connection.close()
    return found, number


def test_a_file_says_what_it_is_and_of_which_version(engine: Engine, path: Path) -> None:
    put(engine)

    assert version(path) == (APPLICATION_ID, len(STEPS))


def test_an_older_file_is_upgraded_in_place_and_keeps_its_jobs(engine: Engine, path: Path) -> None:
    put(engine)
    newer = (*STEPS, ("ALTER TABLE facts ADD COLUMN note TEXT",))
    with sqlite3.connect(path, isolation_level=None) as connection:
        upgrade(connection, str(path), newer)
    connection.close()

    assert version(path) == (APPLICATION_ID, len(STEPS) + 1)
    with sqlite3.connect(path) as connection:
        assert connection.execute("SELECT count(*) FROM jobs").fetchone() == (1,)
        connection.execute("SELECT note FROM facts")
    connection.close()


def test_a_step_that_fails_leaves_the_older_file_as_it_was(engine: Engine, path: Path) -> None:
    put(engine)
    broken = (*STEPS, ("CREATE TABLE more (x)", "CREATE TABLE jobs (x)"))
    connection = sqlite3.connect(path, isolation_level=None)
    with pytest.raises(sqlite3.OperationalError):
        upgrade(connection, str(path), broken)
    tables = connection.execute("SELECT name FROM sqlite_schema WHERE name = 'more'").fetchall()
    connection.close()

    assert (tables, version(path)[1]) == ([], len(STEPS))


def test_a_newer_file_is_refused_in_a_sentence_and_left_alone(engine: Engine, path: Path) -> None:
    put(engine)
    with sqlite3.connect(path) as connection:
        connection.execute(f"PRAGMA user_version = {len(STEPS) + 1}")
    connection.close()
    before = path.read_bytes()

    with pytest.raises(QueueUnavailableError, match="install a newer pulpo"):
        put(engine)
    said = subprocess.run(
        [sys.executable, "-m", "pulpo", "--url", f"sqlite:///{path}", "stats"],
        capture_output=True,
        text=True,
        check=False,
    )

    assert (said.returncode, said.stderr.count("\n")) == (4, 1)
    assert "install a newer pulpo" in said.stderr
    assert path.read_bytes() == before


@pytest.mark.parametrize(
    "url",
    [
        "sqlite://host/queue.db",
        "sqlite:///",
        "sqlite:///:memory:",
        "sqlite:///q.db?sync=never",
        "sqlite:///q.db?journal=off",
        "sqlite:///q.db?max_job_size=0",
    ],
)
def test_a_wrong_url_is_refused_before_anything_is_opened(url: str) -> None:
    with pytest.raises(UsageError):
        open_engine(url)


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    need("small disk")
    with small_disk(tmp_path / "disk", size="40m") as folder:
        yield folder


def test_a_disk_that_is_nearly_full_takes_no_job_but_every_settlement(disk: Path) -> None:
    engine = open_engine(f"sqlite:///{disk}/q/queue.db")
    adapter = engine.adapter()
    adapter.put([NewJob(id=f"j-{n}", type="t", queue="q", body=b"x") for n in range(50)])
    (disk / "ballast").write_bytes(bytes(12 * 2**20))
    end = time.monotonic() + 10  # the room is measured about once a second
    while not isinstance(answer := adapter.put([JOB])[0], QueueFullError):
        assert time.monotonic() < end, answer
        time.sleep(0.05)

    _, jobs = adapter.exchange([], ["q"], limit=50, timeout=0)
    answers, _ = adapter.exchange(
        [Settlement(Verb.DELETE, job) for job in jobs], ["q"], limit=0, timeout=0
    )

    assert list(answers) == [True] * 50
    adapter.close()


def test_delays_and_leases_do_not_care_where_the_wall_clock_is_set(path: Path) -> None:
    clock = ManualClock()
    engine = open_engine(f"sqlite:///{path}", clock=clock)
    adapter, admin = engine.adapter(), engine.admin()
    adapter.put([NewJob(id="later", type="t", queue="q", body=b"", delay=100.0)])
    clock.jump(7_200)
    assert admin.stats("q").delayed == 1
    clock.jump(-20_000)
    clock.advance(101)

    _, (job,) = adapter.exchange([], ["q"], limit=1, timeout=0)
    clock.jump(20_000)
    assert admin.stats("q").reserved == 1
    assert list(adapter.touch([job])) == [True]
    adapter.close()
    admin.close()


def test_a_machine_that_was_started_anew_gives_every_job_back(path: Path) -> None:
    clock = ManualClock()
    engine = open_engine(f"sqlite:///{path}", clock=clock)
    adapter = engine.adapter()
    adapter.put([JOB])
    adapter.exchange([], ["default"], limit=1, timeout=0)
    adapter._trader.membership.die()
    clock.reboot()

    admin = engine.admin()
    (found,) = admin.peek(["j-1"])
    assert found is not None
    assert found.state is JobState.READY
    admin.close()
    adapter.close()
