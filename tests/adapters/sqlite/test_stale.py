"""A handler has closed our descriptors: their numbers are other files' by now, and stay theirs."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from pulpo.adapters.sqlite.doorbells import Doorbell, Doorbells
from pulpo.fair_lock import FairLock

TEXT = b"SQLite format 3\0" + b"x" * 2_000


@pytest.fixture
def stranger(tmp_path: Path) -> Iterator[int]:
    """The descriptor of a file that pulpo must not touch."""
    path = tmp_path / "stranger"
    path.write_bytes(TEXT)
    fd = os.open(path, os.O_RDWR)
    yield fd
    assert os.pread(fd, 10_000, 0) == TEXT
    os.close(fd)


def test_whoever_waits_for_the_writers_never_locks_a_strangers_file(
    tmp_path: Path, stranger: int
) -> None:
    lock, other = (FairLock(tmp_path / "writer", lambda: None) for _ in range(2))
    assert other.take(0)
    os.dup2(stranger, lock._next)

    with pytest.raises(OSError, match="closed by somebody else"):
        lock.take(1.0)
    lock.close()
    other.close()


def test_a_strangers_file_is_never_taken_for_the_lock(tmp_path: Path, stranger: int) -> None:
    lock = FairLock(tmp_path / "writer", lambda: None)
    os.dup2(stranger, lock._fd)

    with pytest.raises(OSError, match="closed by somebody else"):
        lock.take(1.0)
    lock.close()


def test_a_doorbell_leaves_no_flag_in_a_strangers_file(tmp_path: Path, stranger: int) -> None:
    bell = Doorbell(tmp_path, 0)
    bell.listen(["default"])
    os.dup2(stranger, bell._fd)

    for speak in (bell.leave, lambda: bell.listen(["other"])):
        with pytest.raises(OSError, match="closed by somebody else"):
            speak()
    bell.abandon()


def test_a_publisher_that_rings_leaves_nothing_there_and_does_not_fail(
    tmp_path: Path, stranger: int
) -> None:
    bells = Doorbells(tmp_path)
    os.dup2(stranger, bells._fd)

    bells.ring({"default": 3})
    bells.close()
