"""Where the queue file may be, and who may get at it."""

from __future__ import annotations

import os
import sqlite3
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from pulpo.adapters.sqlite import place
from pulpo.adapters.sqlite.adapter import SQLiteAdapter
from pulpo.errors import QueueUnavailableError
from tests.adapters.sqlite.conftest import OpenAt
from tests.adapters.sqlite.jobs import new, put, reserve


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o777])
def test_everything_it_makes_is_for_its_owner_alone(
    tmp_path: Path, open_at: OpenAt, umask: int
) -> None:
    path = tmp_path / "new" / "queue.db"
    adapter = open_at(path)

    before = os.umask(umask)
    try:
        put(adapter, new())
        reserve(adapter, timeout=0.001)
    finally:
        os.umask(before)

    assert mode(path.parent) == mode(path.with_name("queue.db.d")) == 0o700
    assert {mode(file) for file in path.parent.iterdir() if file.is_file()} == {0o600}


def test_nothing_is_made_before_the_first_use(path: Path, adapter: SQLiteAdapter) -> None:
    assert adapter.capabilities.engine == "sqlite"
    assert list(path.parent.iterdir()) == []


def test_a_link_is_not_followed(path: Path, adapter: SQLiteAdapter) -> None:
    target = path.with_name("target.db")
    path.symlink_to(target)

    with pytest.raises(QueueUnavailableError, match="symbolic link"):
        adapter.put([new()])

    assert not target.exists()


@pytest.mark.parametrize("make", [Path.mkdir, os.mkfifo])
def test_only_a_plain_file_will_do(
    path: Path, adapter: SQLiteAdapter, make: Callable[[Path], None]
) -> None:
    make(path)

    with pytest.raises(QueueUnavailableError, match="plain file"):
        adapter.put([new()])


def test_a_file_that_others_may_write_is_refused(path: Path, adapter: SQLiteAdapter) -> None:
    path.touch()
    path.chmod(0o660)

    with pytest.raises(QueueUnavailableError, match="chmod go-w"):
        adapter.put([new()])


def test_a_folder_that_others_may_write_is_refused(path: Path, adapter: SQLiteAdapter) -> None:
    path.parent.chmod(0o770)

    with pytest.raises(QueueUnavailableError, match="chmod go-w"):
        adapter.put([new()])

    assert not path.exists()


def test_a_sticky_folder_will_do(path: Path, adapter: SQLiteAdapter) -> None:
    path.parent.chmod(0o1777)

    put(adapter, new())


def test_a_file_of_another_user_is_refused(
    path: Path, adapter: SQLiteAdapter, monkeypatch: pytest.MonkeyPatch
) -> None:
    path.touch(mode=0o600)
    monkeypatch.setattr(place.os, "geteuid", lambda: path.stat().st_uid + 1)
    monkeypatch.setattr(place, "check_folder", lambda folder: None)

    with pytest.raises(QueueUnavailableError, match="run it as the owner"):
        adapter.put([new()])


def test_a_folder_of_another_user_is_refused(
    path: Path, adapter: SQLiteAdapter, monkeypatch: pytest.MonkeyPatch
) -> None:
    if os.geteuid() == 0:
        os.chown(path.parent, 12_345, -1)
    else:
        monkeypatch.setattr(place.os, "geteuid", lambda: path.parent.stat().st_uid + 1)

    with pytest.raises(QueueUnavailableError, match="belongs to user"):
        adapter.put([new()])


def test_a_network_file_system_is_refused(
    path: Path, adapter: SQLiteAdapter, monkeypatch: pytest.MonkeyPatch
) -> None:
    device = path.parent.stat().st_dev
    mounts = f"36 35 {os.major(device)}:{os.minor(device)} / /mnt rw shared:1 - nfs4 host:/x rw"
    monkeypatch.setattr(place, "_file_systems", lambda: place.kinds(mounts))

    with pytest.raises(QueueUnavailableError, match=r"network file system \(nfs4\)"):
        adapter.put([new()])


def test_a_file_that_is_no_database_is_left_as_it_is(path: Path, adapter: SQLiteAdapter) -> None:
    text = b"dear diary\n" * 1_000
    path.write_bytes(text)
    path.chmod(0o600)

    with pytest.raises(QueueUnavailableError, match="not a SQLite file"):
        adapter.put([new()])

    assert path.read_bytes() == text


def test_a_database_of_somebody_else_is_left_as_it_is(path: Path, adapter: SQLiteAdapter) -> None:
    with sqlite3.connect(path) as stranger:
        stranger.execute("CREATE TABLE diary (page TEXT)")
    stranger.close()
    path.chmod(0o600)
    before = path.read_bytes()

    with pytest.raises(QueueUnavailableError, match="not a queue of pulpo"):
        adapter.put([new()])

    assert path.read_bytes() == before


@pytest.mark.parametrize("gone", [True, False])
def test_a_file_that_went_away_while_open_is_said(
    path: Path, adapter: SQLiteAdapter, gone: bool
) -> None:
    put(adapter, new())
    path.rename(path.with_name("elsewhere.db"))
    if not gone:
        path.touch(mode=0o600)

    with pytest.raises(QueueUnavailableError, match="removed" if gone else "replaced"):
        adapter.put([new()])


def test_a_damaged_file_is_said(path: Path, adapter: SQLiteAdapter, open_at: OpenAt) -> None:
    put(adapter, *[new(b"x" * 5_000) for _ in range(50)])
    adapter.close()
    with path.open("r+b") as file:
        file.seek(4_096)
        file.write(b"\xff" * (path.stat().st_size - 4_096))

    with pytest.raises(QueueUnavailableError, match="damaged"):
        reserve(open_at(path), limit=100)


def test_a_path_deeper_than_a_socket_may_be_works(tmp_path: Path, open_at: OpenAt) -> None:
    path = tmp_path.joinpath(*["a-long-name" * 10] * 3, "queue.db")
    adapter = open_at(path)
    put(adapter, new())

    assert len(reserve(adapter)) == 1
    assert list(reserve(adapter, timeout=0.001)) == []


def test_a_name_that_looks_like_a_uri_is_a_name(tmp_path: Path, open_at: OpenAt) -> None:
    path = tmp_path / "a?mode=memory&cache#1 %41.db"

    put(open_at(path), new())

    assert path.exists()
