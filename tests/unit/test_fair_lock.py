"""A lock of which busy holders get even shares, and whose files are never written."""

from __future__ import annotations

import fcntl
import os
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from pulpo.fair_lock import FairLock


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "lock"


@pytest.fixture
def locks(path: Path) -> Iterator[list[FairLock]]:
    found = [FairLock(path, lambda: None) for _ in range(4)]
    yield found
    for lock in found:
        lock.close()


def use(lock: FairLock, over: threading.Event, counts: list[int], spot: int) -> None:
    while not over.is_set():
        assert lock.take(5.0)
        time.sleep(0.0005)
        counts[spot] += 1
        lock.give()


def test_only_one_has_it(locks: list[FairLock]) -> None:
    first, second, *_ = locks
    assert first.take(0)

    assert not second.take(0.05)

    first.give()
    assert second.take(0)
    second.give()


def test_all_who_want_it_all_the_time_get_about_the_same(locks: list[FairLock]) -> None:
    over, counts = threading.Event(), [0] * len(locks)
    threads = [
        threading.Thread(target=use, args=(lock, over, counts, spot))
        for spot, lock in enumerate(locks)
    ]
    for thread in threads:
        thread.start()
    time.sleep(2.0)
    over.set()
    for thread in threads:
        thread.join()

    assert min(counts) > sum(counts) / len(counts) / 3, counts


def test_its_files_are_never_written(path: Path, locks: list[FairLock]) -> None:
    before = {file: file.stat().st_mtime_ns for file in path.parent.iterdir()}
    first, second, *_ = locks
    assert first.take(0)
    assert not second.take(0.05)
    first.give()
    time.sleep(0.01)

    assert first.take(0)
    assert not second.take(0.05)
    first.give()

    assert {file.name for file in before} == {"lock", "lock-next"}
    assert {file: file.stat().st_mtime_ns for file in path.parent.iterdir()} == before
    assert {file.stat().st_size for file in before} == {0}


def test_a_next_one_that_is_frozen_keeps_nobody_from_it(path: Path, locks: list[FairLock]) -> None:
    first, second, *_ = locks
    with ExitStack() as stack:
        frozen = os.open(path.with_name("lock-next"), os.O_RDWR)
        stack.callback(os.close, frozen)
        fcntl.flock(frozen, fcntl.LOCK_EX)
        assert first.take(0)
        giving = threading.Timer(0.05, first.give)
        giving.start()

        assert second.take(5.0)

        giving.join()
        time.sleep(0.01)  # a whole share
        second.give()
        began = time.monotonic()
        assert second.take(0)
        assert time.monotonic() - began < 1.0
        second.give()


def test_whoever_waits_beats(path: Path) -> None:
    beats: list[None] = []
    with ExitStack() as stack:
        first, second = FairLock(path, lambda: None), FairLock(path, lambda: beats.append(None))
        stack.callback(first.close)
        stack.callback(second.close)
        assert first.take(0)

        assert not second.take(0.05)

        assert beats


def test_what_was_held_is_free_once_its_holder_is_closed(locks: list[FairLock]) -> None:
    first, second, *_ = locks
    assert first.take(0)

    first.close()
    first.close()

    assert second.take(0)
    second.give()


def test_a_lock_that_cannot_be_opened_leaves_nothing_open(path: Path) -> None:
    path.with_name("lock-next").symlink_to(path.with_name("elsewhere"))
    before = len(os.listdir("/proc/self/fd"))

    with pytest.raises(OSError, match="symbolic"):
        FairLock(path, lambda: None)

    assert len(os.listdir("/proc/self/fd")) == before
