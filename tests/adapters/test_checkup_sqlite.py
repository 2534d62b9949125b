"""A look at a queue file sees each kind of trouble, names it, and changes nothing."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from pulpo.adapters.sqlite import SQLiteEngine, checkup
from pulpo.adapters.sqlite.schema import APPLICATION_ID, STEPS
from pulpo.checkup import judge_disk
from pulpo.clock import SystemClock
from pulpo.errors import QueueUnavailableError
from pulpo.job import Settlement, Verb
from pulpo.queue_url import QueueURL
from tests.adapters.looks import FAULT, NOTE, OK, WARNING, levels, look
from tests.adapters.sqlite.jobs import new, put, reserve
from tests.lab.disks import small_disk
from tests.lab.needs import need


class SetBack(SystemClock):
    """A clock that somebody has set back by an hour."""

    def wall(self) -> float:  # type: ignore[override]
        return super().wall() - 3_600


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "queue"
    folder.mkdir(mode=0o700)
    return folder


@pytest.fixture
def path(folder: Path) -> Path:
    return folder / "queue.db"


def engine_at(path: Path, options: str = "", clock: SystemClock | None = None) -> SQLiteEngine:
    return SQLiteEngine(QueueURL.parse(f"sqlite:///{path}{options}"), clock=clock or SystemClock())


def filled(path: Path, jobs: int = 1, size: int = 10, options: str = "") -> None:
    """Make a queue of so many jobs, and close it."""
    with closing(engine_at(path, options).adapter()) as adapter:
        for _ in range(0, jobs, 100):
            put(adapter, *(new(bytes(size)) for _ in range(min(jobs, 100))))


def run_sql(path: Path, *statements: str) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        for statement in statements:
            connection.execute(statement).fetchall()


def files(folder: Path) -> dict[str, bytes | None]:
    return {
        str(found.relative_to(folder)): found.read_bytes() if found.is_file() else None
        for found in sorted(folder.rglob("*"))
    }


def damage(path: Path, page: int, *, size: int = 4_096) -> None:
    """Overwrite one page of a file that nobody has open; the first is 0."""
    with path.open("r+b") as opened:
        opened.seek(page * size)
        opened.write(b"\xff" * size)


# All is well


def test_a_queue_that_a_worker_serves_has_nothing_wrong(path: Path) -> None:
    with closing(engine_at(path).adapter()) as adapter:
        put(adapter, new(), new())
        assert reserve(adapter)

        found = look(engine_at(path))

    assert not levels(found, WARNING, FAULT)
    assert found["owners"].found == "1 worker process alive"
    assert found["workers"].level is OK
    assert found["integrity"].found == "every page was read"
    assert found["permissions"].found == "queue.db 0600, queue.db-wal 0600, queue.db-shm 0600"


def test_looking_changes_and_leaves_nothing(folder: Path, path: Path) -> None:
    filled(path, 300)
    before = files(folder)

    look(engine_at(path))

    assert files(folder) == before


def test_an_absent_queue_is_not_made(folder: Path, path: Path) -> None:
    found = look(engine_at(path.parent / "deeper" / "queue.db"))

    assert found["file"].level is NOTE
    assert "nothing there yet" in found["file"].found
    assert not levels(found, WARNING, FAULT)
    assert not files(folder)


# Its place


@pytest.mark.parametrize(("mode", "level"), [(0o600, OK), (0o620, FAULT), (0o602, FAULT)])
def test_a_file_that_others_can_write_is_a_fault(path: Path, mode: int, level: object) -> None:
    filled(path)
    path.chmod(mode)

    found = look(engine_at(path))

    assert found["file"].level is level
    assert ("integrity" in found) is (level is OK), "such a file is not opened"


def test_a_log_that_others_can_write_is_a_fault(path: Path) -> None:
    with closing(engine_at(path).adapter()) as adapter:
        put(adapter, new())
        Path(f"{path}-wal").chmod(0o666)

        found = look(engine_at(path))

    assert found["file"].level is OK
    assert found["permissions"].level is FAULT
    assert "queue.db-wal 0666" in found["permissions"].found


@pytest.mark.parametrize(
    ("of_folder", "of_file", "level"),
    [(0o755, 0o644, WARNING), (0o700, 0o644, OK), (0o755, 0o600, OK)],
)
def test_a_file_that_others_can_read_is_a_warning(
    folder: Path, path: Path, of_folder: int, of_file: int, level: object
) -> None:
    filled(path)
    folder.chmod(of_folder)
    path.chmod(of_file)

    assert look(engine_at(path))["permissions"].level is level


@pytest.mark.parametrize(("name", "place"), [("folder", "."), ("locks", "queue.db.d")])
def test_a_folder_that_others_can_write_is_a_fault(
    folder: Path, path: Path, name: str, place: str
) -> None:
    filled(path)
    assert look(engine_at(path))[name].level is OK
    (folder / place).chmod(0o777)

    found = look(engine_at(path))

    assert levels(found, FAULT) == {name}
    assert "others" in found[name].found


def test_a_link_and_a_folder_in_the_place_of_the_file_are_faults(folder: Path, path: Path) -> None:
    filled(folder / "other.db")
    path.symlink_to(folder / "other.db")
    assert levels(look(engine_at(path)), FAULT) == {"file"}

    path.unlink()
    path.mkdir()
    assert levels(look(engine_at(path)), FAULT) == {"file"}


def test_somebody_elses_file_is_a_fault(path: Path) -> None:
    need("root")
    filled(path)
    os.chown(path, 12_345, -1)

    found = look(engine_at(path))

    assert found["file"].level is FAULT
    assert "user 12345" in found["file"].found


@pytest.mark.parametrize(
    ("kind", "level"), [("ext4", OK), ("nfs4", FAULT), ("9p", FAULT), ("", NOTE)]
)
def test_a_file_system_on_the_network_is_a_fault(
    path: Path, monkeypatch: pytest.MonkeyPatch, kind: str, level: object
) -> None:
    filled(path)
    monkeypatch.setattr(checkup, "file_system", lambda folder: kind)

    assert look(engine_at(path))["file-system"].level is level


def test_the_file_system_is_read_from_the_mounts(tmp_path: Path) -> None:
    need("small disk")
    with small_disk(tmp_path / "disk", size="1m") as disk:
        assert look(engine_at(disk / "queue.db"))["file-system"].found == "tmpfs"


def test_a_small_disk_is_a_fault_and_a_full_one_does_not_stop_the_look(tmp_path: Path) -> None:
    need("small disk")
    with small_disk(tmp_path / "disk", size="80m") as disk:
        path = disk / "queue.db"
        filled(path)
        assert look(engine_at(path))["disk"].level is OK
        (disk / "ballast").write_bytes(bytes(50 * 2**20))

        found = look(engine_at(path))

    assert levels(found, FAULT) == {"disk"}
    assert found["integrity"].level is OK


@pytest.mark.parametrize(("free", "level"), [(31, FAULT), (33, WARNING), (99, WARNING), (101, OK)])
def test_a_disk_is_judged_by_what_is_free(free: int, level: object) -> None:
    assert judge_disk(free << 20, 1_000 << 20, least=32 << 20).level is level


# How it is written


@pytest.mark.parametrize(
    ("version", "level"), [((3, 40, 1), NOTE), ((3, 51, 2), NOTE), ((3, 51, 3), OK), ((4, 0), OK)]
)
def test_a_sqlite_with_the_bug_of_the_log_is_noted(version: tuple[int, ...], level: object) -> None:
    assert checkup.judge_library(version).level is level


@pytest.mark.parametrize(("options", "level"), [("", OK), ("?sync=normal", NOTE)])
def test_a_queue_that_does_not_sync_is_noted(path: Path, options: str, level: object) -> None:
    assert look(engine_at(path, options))["sync"].level is level


# What is in it


def test_a_newer_schema_is_a_fault(path: Path) -> None:
    filled(path)
    run_sql(path, f"PRAGMA user_version = {len(STEPS) + 1}")

    found = look(engine_at(path))

    assert levels(found, FAULT) == {"schema"}
    assert "buried" not in found, "nobody knows what its columns mean"


def test_an_older_schema_is_noted_and_stays(path: Path) -> None:
    run_sql(path, f"PRAGMA application_id = {APPLICATION_ID}", "CREATE TABLE earlier (a)")
    path.chmod(0o600)

    found = look(engine_at(path))

    assert found["schema"].level is NOTE
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA user_version").fetchone() == (0,)


def test_a_strangers_file_is_a_fault_and_an_empty_one_is_not(path: Path) -> None:
    path.touch(0o600)
    assert look(engine_at(path))["schema"].level is NOTE

    run_sql(path, "CREATE TABLE customers (name)")
    assert look(engine_at(path))["schema"].level is FAULT


def test_a_journal_of_another_kind_is_a_warning(path: Path) -> None:
    filled(path)
    assert look(engine_at(path))["journal"].level is OK
    run_sql(path, "PRAGMA journal_mode = DELETE")

    assert look(engine_at(path))["journal"].level is WARNING


def test_a_log_that_a_reader_keeps_from_being_cut_is_a_warning(path: Path) -> None:
    filled(path)
    with closing(sqlite3.connect(path, isolation_level=None)) as reader:
        reader.execute("BEGIN")
        reader.execute("SELECT count(*) FROM jobs").fetchone()
        assert look(engine_at(path))["log"].level is OK
        filled(path, 700, 60_000, "?sync=normal")

        found = look(engine_at(path))

    assert levels(found, WARNING, FAULT) == {"log", "workers"}


def test_damage_is_a_fault_that_names_the_way_out(path: Path) -> None:
    filled(path, 1_000, 200)
    damage(path, 20)

    found = look(engine_at(path))

    assert found["integrity"].level is FAULT
    assert "pulpo doctor --salvage" in found["integrity"].do


@pytest.mark.parametrize("content", [b"not a database", b"\xff" * 8_192, b"SQLite format 3\0"])
def test_a_file_that_is_no_database_is_a_fault_and_stays(path: Path, content: bytes) -> None:
    path.write_bytes(content * 100)
    path.chmod(0o600)

    found = look(engine_at(path))

    assert levels(found, FAULT) == {"integrity"}
    assert path.read_bytes() == content * 100


def test_a_file_too_big_to_be_read_in_time_is_noted(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    filled(path, 1_000, 200)
    monkeypatch.setattr(checkup, "_CHECKING", -1.0)
    monkeypatch.setattr(checkup, "_STEPS_BETWEEN_LOOKS", 10)

    found = look(engine_at(path))

    assert found["integrity"].level is NOTE
    assert found["queues"].found == "1", "what comes after it is looked at all the same"


def test_a_clock_that_was_set_back_is_a_warning(path: Path) -> None:
    filled(path)
    assert look(engine_at(path))["clock"].level is OK

    found = look(engine_at(path, clock=SetBack()))

    assert found["clock"].level is WARNING
    assert "from now" in found["clock"].found


def test_a_file_that_somebody_keeps_to_himself_is_out_of_reach(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    filled(path)
    monkeypatch.setattr(checkup, "_PATIENCE", 0.1)
    with closing(sqlite3.connect(path, isolation_level=None)) as hog:
        hog.execute("PRAGMA locking_mode = EXCLUSIVE").fetchall()
        hog.execute("BEGIN IMMEDIATE")

        with pytest.raises(QueueUnavailableError, match="locked"):
            look(engine_at(path))


# Its jobs


def make_buried(engine: SQLiteEngine) -> None:
    with closing(engine.adapter()) as adapter:
        (job,) = reserve(adapter)
        adapter.exchange([Settlement(Verb.BURY, job, new())], (), limit=0, timeout=0)


def make_paused(engine: SQLiteEngine) -> None:
    with closing(engine.admin()) as admin:
        admin.pause("default")


@pytest.mark.parametrize(
    ("name", "level", "make"),
    [("buried", WARNING, make_buried), ("paused", NOTE, make_paused)],
)
def test_what_waits_for_a_person_is_said(
    path: Path, name: str, level: object, make: Callable[[SQLiteEngine], None]
) -> None:
    filled(path)
    assert look(engine_at(path))[name].level is OK
    make(engine_at(path))

    found = look(engine_at(path))[name]

    assert found.level is level
    assert "'default'" in found.found


def test_ready_jobs_without_a_worker_are_a_warning_but_paused_ones_are_not(path: Path) -> None:
    filled(path, 3)

    assert look(engine_at(path))["workers"].found == (
        "3 ready in 'default', and no worker serves them"
    )
    make_paused(engine_at(path))
    assert look(engine_at(path))["workers"].level is OK
