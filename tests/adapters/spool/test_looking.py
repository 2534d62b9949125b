"""A look into a spool counts what waits and what was put aside, and nothing else."""

from __future__ import annotations

import os
from pathlib import Path

from pulpo.adapters.spool import SpoolStats, look
from pulpo.adapters.spool.names import is_job, name_of
from pulpo.job import NewJob

NOW = 1_800_000_000.0


def job(**fields: object) -> NewJob:
    fields = {"id": "0198c0de-7a11-7b0b-8123-6c6f73746a6f", "type": "t", "queue": "q"} | fields
    return NewJob(body=b"x", **fields)  # type: ignore[arg-type]


def test_a_spool_that_is_not_there_holds_nothing(tmp_path: Path) -> None:
    assert look(tmp_path / "spool", NOW) == SpoolStats()


def test_jobs_their_bytes_the_oldest_and_the_refused_are_counted(tmp_path: Path) -> None:
    for age, size in ((10, 5), (90, 7)):
        path = tmp_path / name_of(job())
        path.write_bytes(b"x" * size)
        os.utime(path, (NOW - age, NOW - age))
    (tmp_path / "refused").mkdir()
    (tmp_path / "refused" / "any.too-big").touch()
    (tmp_path / "notes.txt").write_text("not a job")

    assert look(tmp_path, NOW) == SpoolStats(jobs=2, bytes=12, oldest=90.0, refused=1)


def test_an_urgent_job_has_the_name_that_comes_first(tmp_path: Path) -> None:
    names = [name_of(job(priority=priority)) for priority in (2**32 - 1, 0, 65_536)]

    assert sorted(names) == [names[1], names[2], names[0]]
    assert all(map(is_job, names))


def test_a_foreign_id_never_gets_into_a_name() -> None:
    name = name_of(job(id="../../etc/passwd"))

    assert "passwd" not in name
    assert is_job(name)


def test_the_same_job_twice_has_two_names() -> None:
    assert name_of(job()) != name_of(job())
