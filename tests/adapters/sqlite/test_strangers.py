"""Files and folders that are not a queue's, or not of this version: refused, and left alone."""

from __future__ import annotations

import contextlib
import os
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

from pulpo.adapters.sqlite import connecting, place
from pulpo.adapters.sqlite.adapter import SQLiteAdapter
from pulpo.adapters.sqlite.schema import STEPS, needs_upgrade, upgrade
from pulpo.errors import QueueUnavailableError
from tests.adapters.sqlite.conftest import Open
from tests.adapters.sqlite.jobs import bodies, new, put, reserve
from tests.lab.needs import need


@pytest.fixture
def newer(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """Return what makes this pulpo one of the next version, with one more step."""
    steps = (*STEPS, ("CREATE TABLE more (name TEXT)",))

    def install() -> None:
        monkeypatch.setattr(connecting, "needs_upgrade", lambda c, p: needs_upgrade(c, p, steps))
        monkeypatch.setattr(connecting, "upgrade", lambda c, p: upgrade(c, p, steps))

    return install


def test_the_next_version_opens_a_file_of_this_one_and_runs_its_jobs(
    open_adapter: Open, newer: Callable[[], None]
) -> None:
    old = open_adapter()
    put(old, new(b"before"))
    newer()

    young = open_adapter()
    put(young, new(b"after"))

    assert young._database.read("PRAGMA user_version") == [(len(STEPS) + 1,)]
    assert young._database.read("SELECT * FROM more") == []
    # Who has the file open already goes on: steps only add.
    assert bodies(reserve(old, 9)) == [b"before", b"after"]


def test_the_version_before_refuses_a_file_that_the_next_has_had(
    open_adapter: Open, newer: Callable[[], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    newer()
    put(open_adapter(), new())
    monkeypatch.undo()

    with pytest.raises(
        QueueUnavailableError,
        match=f"version {len(STEPS) + 1}, this pulpo knows versions up to {len(STEPS)}",
    ):
        open_adapter().put([new()])


@pytest.mark.parametrize("text", [b"x", b"hello", b"SQLite format 3", b"\n" * 100_000])
def test_a_text_however_short_is_left_as_it_is(
    path: Path, adapter: SQLiteAdapter, text: bytes
) -> None:
    path.write_bytes(text)
    path.chmod(0o600)

    with pytest.raises(QueueUnavailableError, match=r"not a SQLite file.*queue\.db"):
        adapter.put([new()])

    assert path.read_bytes() == text


@pytest.mark.parametrize("mode", ["delete", "wal", "truncate"])
def test_a_strangers_database_keeps_its_bytes_and_its_journal(
    path: Path, adapter: SQLiteAdapter, mode: str
) -> None:
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as stranger:
        stranger.execute(f"PRAGMA journal_mode = {mode}")
        stranger.execute("CREATE TABLE diary (page TEXT)")
        stranger.execute("INSERT INTO diary VALUES ('dear diary')")
    path.chmod(0o600)
    before = {file.name: file.read_bytes() for file in path.parent.iterdir()}

    with pytest.raises(QueueUnavailableError, match="not a queue of pulpo"):
        adapter.put([new()])

    files = [file for file in path.parent.iterdir() if file.is_file()]
    assert {file.name: file.read_bytes() for file in files} == before


def test_an_empty_file_becomes_a_queue(path: Path, adapter: SQLiteAdapter) -> None:
    path.touch(mode=0o600)

    put(adapter, new(b"first"))

    assert bodies(reserve(adapter)) == [b"first"]


def test_a_linked_folder_of_locks_is_refused(path: Path, adapter: SQLiteAdapter) -> None:
    elsewhere = path.with_name("elsewhere")
    elsewhere.mkdir(mode=0o700)
    place.side_folder(path).symlink_to(elsewhere)

    with pytest.raises(QueueUnavailableError, match="not a link"):
        adapter.put([new()])

    assert list(elsewhere.iterdir()) == []


@pytest.mark.parametrize("mode", [0o770, 0o702, 0o1777])
def test_a_folder_of_locks_that_others_may_write_is_refused(
    path: Path, adapter: SQLiteAdapter, mode: int
) -> None:
    side = place.side_folder(path)
    side.mkdir()
    side.chmod(mode)

    with pytest.raises(QueueUnavailableError, match="others must not write"):
        adapter.put([new()])


@pytest.mark.parametrize("what", ["queue.db", "queue.db.d"])
def test_what_belongs_to_another_user_is_refused(
    path: Path, adapter: SQLiteAdapter, what: str
) -> None:
    need("root")  # who else could give a file to another user
    path.touch(mode=0o600)
    place.side_folder(path).mkdir(mode=0o700)
    os.chown(path.with_name(what), 12_345, -1)

    with pytest.raises(QueueUnavailableError, match="belong"):
        adapter.put([new()])

    assert path.stat().st_size == 0


@pytest.mark.parametrize("name", ["writer", "bells"])
def test_a_link_among_the_locks_is_an_error_of_the_queue(
    path: Path, adapter: SQLiteAdapter, name: str
) -> None:
    side = place.side_folder(path)
    side.mkdir(mode=0o700)
    (side / name).symlink_to(path.with_name("elsewhere"))

    with pytest.raises(QueueUnavailableError, match="cannot open the queue file"):
        adapter.put([new()])

    assert not path.with_name("elsewhere").exists()
    (side / name).unlink()
    put(adapter, new())


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("id", b"\xff"),
        ("id", ""),
        ("id", "a b"),
        ("id", "ü"),
        ("id", "a\0b"),
        ("id", "x" * 65),
        ("id", "\x1b[2J"),
        ("type", b"t"),
        ("queue", "no queue"),
        ("queue", ""),
        ("queue", b"default"),
        ("queue", "default\0x"),
        ("queue", "q" * 201),
        ("priority", "urgent"),
        ("priority", 0.5),
        ("priority", -1),
        ("priority", 2**32),
        ("crashes", "none"),
        ("crashes", 2**63 - 1),
        ("crashes", -(2**63)),
        ("ttr", "a minute"),
        ("ttr", 0.0),
        ("ttr", -1.0),
        ("ttr", float("inf")),
        ("moment", "soon"),
        ("moment", 1.0),
        ("state", 5),
        ("state", 0.5),
        ("state", "ready"),
        ("state", 1),
        ("state", 4),
        ("body", "text"),
        ("body", None),
    ],
)
def test_a_row_that_could_stop_a_worker_or_hide_a_job_cannot_be_written_by_anybody(
    open_adapter: Open, column: str, value: object
) -> None:
    adapter = open_adapter()
    put(adapter, new(b"good"))
    row = {"id": "x", "type": "t", "queue": "default", "priority": 1, "state": 0, "crashes": 0}
    row |= {"ttr": 60.0, "body": b"b", column: value}
    insert = f"INSERT INTO jobs ({', '.join(row)}) VALUES ({', '.join('?' * len(row))})"

    with (
        contextlib.closing(sqlite3.connect(adapter._database.path)) as stranger,
        pytest.raises(sqlite3.IntegrityError),
    ):
        stranger.execute(insert, tuple(row.values()))

    assert bodies(reserve(adapter, 9)) == [b"good"]


def test_text_that_is_no_utf_8_cannot_be_written_by_anybody(open_adapter: Open) -> None:
    adapter = open_adapter()
    put(adapter, new(b"good"))

    for name, queue in (("ff41", "64656661756c74"), ("41", "64ff")):
        with (
            contextlib.closing(sqlite3.connect(adapter._database.path)) as stranger,
            pytest.raises(sqlite3.IntegrityError),
        ):
            stranger.execute(
                "INSERT INTO jobs (id, type, queue, priority, state, ttr, body) VALUES "
                f"(CAST(x'{name}' AS TEXT), 't', CAST(x'{queue}' AS TEXT), 1, 0, 60.0, x'c1')"
            )

    assert bodies(reserve(adapter, 9)) == [b"good"]


def test_the_least_that_a_stranger_can_write_becomes_a_job(open_adapter: Open) -> None:
    adapter = open_adapter()
    put(adapter, new(b"good"))

    with contextlib.closing(sqlite3.connect(adapter._database.path)) as stranger, stranger:
        stranger.execute(
            "INSERT INTO jobs (id, type, queue, priority, state, ttr, body) "
            "VALUES ('!~', 't', 'default', 4294967295, 0, 1, x'c1')"
        )

    assert bodies(reserve(adapter, 9)) == [b"good", b"\xc1"]
