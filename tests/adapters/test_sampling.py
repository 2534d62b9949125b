"""The first pages of a sample come from all over, and no sample stands in a worker's way."""

from __future__ import annotations

import socket
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from pulpo.adapter import Engine
from pulpo.adapters import open_engine
from pulpo.identity import new_id
from pulpo.job import NewJob
from tests.lab.beanstalkd import Beanstalkd


@pytest.fixture(params=["file", "beanstalkd"])
def engine(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Engine]:
    if request.param == "file":
        yield open_engine(f"sqlite:///{tmp_path}/queue.db?sync=normal")
        return
    request.getfixturevalue("beanstalkd_program")
    # A server of its own: what others put there would be in the sample.
    with Beanstalkd() as server:
        yield open_engine(server.url)


def put(engine: Engine, count: int) -> list[str]:
    adapter = engine.adapter()
    ids = [new_id() for _ in range(count)]
    for start in range(0, count, 1_000):
        batch = ids[start : start + 1_000]
        answers = adapter.put([NewJob(id=i, type="t", queue="q", body=i.encode()) for i in batch])
        assert not [answer for answer in answers if not isinstance(answer, str)]
    adapter.close()
    return ids


def test_the_first_pages_come_from_all_over(engine: Engine) -> None:
    ids = put(engine, 8_000)
    admin = engine.admin()

    pages = admin.sample()
    seen = [job.body.decode() for _ in range(8) for job in next(pages)]
    admin.close()

    assert 1_500 <= len(seen) <= 2_000
    assert {ids.index(each) // 2_000 for each in seen} == {0, 1, 2, 3}


def test_a_server_that_has_had_many_more_jobs_is_sampled_where_they_are_now(
    beanstalkd_program: str,
) -> None:
    with Beanstalkd() as server:
        engine = open_engine(server.url)
        (old,) = put(engine, 1)
        gone = put(engine, 60_000)
        with socket.create_connection(("127.0.0.1", server.port)) as raw:
            raw.sendall(b"".join(b"delete %d\r\n" % n for n in range(2, len(gone) + 2)))
            answers = b""
            while answers.count(b"\r\n") < len(gone):
                answers += raw.recv(1 << 20)
        ids = put(engine, 1_000)

        admin = engine.admin()
        pages = list(admin.sample())
        admin.close()

    seen = [job.body.decode() for page in pages for job in page]
    assert sorted(seen) == sorted([old, *ids])
    # The one from long ago is met in the end, and nobody has to wait for it.
    assert seen.index(old) == 1_000
    assert {ids.index(each) // 250 for each in seen[:500]} >= {0, 2}


def test_a_sample_that_stands_still_keeps_no_lock_and_no_transaction(tmp_path: Path) -> None:
    engine = open_engine(f"sqlite:///{tmp_path}/queue.db")
    put(engine, 1_000)
    admin = engine.admin()
    pages = admin.sample()
    next(pages)

    with sqlite3.connect(tmp_path / "queue.db", timeout=0) as other:
        # Answers 1 where a reader keeps the log from being emptied, or somebody writes.
        blocked, _, _ = other.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    other.close()
    rest = sum(len(page) for page in pages)
    admin.close()

    assert (blocked, rest) == (0, 750)
