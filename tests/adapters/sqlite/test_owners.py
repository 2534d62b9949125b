"""The marks of those that hold jobs: none stays behind, whenever its owner died."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from pulpo.adapters.sqlite.owners import Owner
from pulpo.adapters.sqlite.place import side_folder
from pulpo.system import FileLock, is_locked
from tests.adapters.sqlite.conftest import Open
from tests.adapters.sqlite.jobs import new, put


def marks(path: Path) -> list[Path]:
    return sorted(side_folder(path).glob("owner-*"))


def test_the_mark_of_one_that_died_before_it_was_known_is_cleared_away(
    open_adapter: Open, path: Path
) -> None:
    put(open_adapter(), new())
    pid = os.fork()
    if not pid:
        Owner(side_folder(path))  # its row is never written
        os.kill(os.getpid(), signal.SIGKILL)
    os.waitpid(pid, 0)
    (stray,) = marks(path)

    worker = open_adapter()
    worker.exchange((), ["default"], limit=1, timeout=0)

    assert stray not in marks(path)
    assert len(marks(path)) == 1
    worker.close()
    assert marks(path) == []


def test_the_mark_of_one_that_is_not_known_yet_and_lives_stays(
    open_adapter: Open, path: Path
) -> None:
    put(open_adapter(), new())
    unborn = Owner(side_folder(path))
    (mark,) = marks(path)

    open_adapter().exchange((), ["default"], limit=1, timeout=0)

    assert mark in marks(path)
    assert is_locked(mark)
    unborn.close()


def test_an_owner_whose_mark_was_cleared_in_the_moment_of_its_birth_takes_another(
    open_adapter: Open, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(open_adapter(), new())
    names = iter(["1" * 32, "2" * 32])
    monkeypatch.setattr("pulpo.adapters.sqlite.owners.secrets.token_hex", lambda _: next(names))
    taken = side_folder(path) / ("owner-" + "1" * 32)
    lock = FileLock(taken)
    assert lock.acquire(wait=False)  # whoever clears away holds it while it goes

    owner = Owner(side_folder(path))

    lock.release()
    taken.unlink()
    assert [mark.name for mark in marks(path)] == ["owner-" + "2" * 32]
    owner.close()
