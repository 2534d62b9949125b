"""An accepted job is on the disk, also where the server's own default is not to wait for it."""

from __future__ import annotations

from contextlib import closing
from dataclasses import replace

import psycopg
import pytest

from pulpo.adapters import open_engine
from pulpo.identity import new_id
from pulpo.job import NewJob
from tests.adapters.postgresql.flushed import is_on_the_disk_after


def new(delay: float = 0.0) -> NewJob:
    return NewJob(id=new_id(), type="t", queue="q", body=b"x" * 100, delay=delay)


@pytest.mark.parametrize(
    "jobs",
    [[new()], [new(delay=60.0)], [new() for _ in range(3)], [new() for _ in range(500)]],
    ids=["one", "delayed", "some", "copied"],
)
def test_a_put_is_on_the_disk_when_it_returns(
    postgresql_url: str, connection: psycopg.Connection, jobs: list[NewJob]
) -> None:
    connection.autocommit = True
    url = f"{postgresql_url}&options=-c%20synchronous_commit%3Doff"
    with closing(open_engine(url).adapter()) as adapter:
        adapter.put([new()])
        for _ in range(5):
            assert is_on_the_disk_after(
                lambda: adapter.put([replace(job, id=new_id()) for job in jobs]), connection
            )
