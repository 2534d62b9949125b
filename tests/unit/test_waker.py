"""The doorbell inside a process: it rings, and it touches no file that is not its own."""

from __future__ import annotations

import os
import select
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from pulpo.waker import Waker

TEXT = b"SQLite format 3\0"


@pytest.fixture
def waker() -> Iterator[Waker]:
    waker = Waker()
    yield waker
    waker.close()


@pytest.fixture
def stranger(tmp_path: Path) -> Iterator[int]:
    """The descriptor of a file that pulpo must not touch, read or close."""
    path = tmp_path / "stranger"
    path.write_bytes(TEXT)
    fd = os.open(path, os.O_RDWR)
    yield fd
    assert os.read(fd, 100) == TEXT
    os.close(fd)


def rings(waker: Waker, seconds: float = 0.0) -> bool:
    return bool(select.select([waker.fileno()], [], [], seconds)[0])


def test_a_ring_of_another_thread_is_heard_once(waker: Waker) -> None:
    assert not rings(waker)
    thread = threading.Thread(target=waker.ring)
    thread.start()

    assert rings(waker, 10)
    thread.join()
    assert waker.silence()
    assert not waker.silence()
    assert not rings(waker)


def test_a_bell_that_nobody_silences_can_be_rung_for_ever(waker: Waker) -> None:
    for _ in range(100_000):
        waker.ring()

    assert rings(waker)


def test_a_bell_that_was_taken_away_rings_no_more(waker: Waker) -> None:
    waker.close()
    waker.close()

    waker.ring()


def test_no_ring_goes_into_a_file_that_has_got_the_bells_number(
    waker: Waker, stranger: int
) -> None:
    os.dup2(stranger, waker._write)

    waker.ring()

    os.close(waker._write)


def test_nothing_is_read_from_a_file_that_has_got_the_bells_number(
    waker: Waker, stranger: int
) -> None:
    os.dup2(stranger, waker._read)

    with pytest.raises(OSError, match="closed by somebody else"):
        waker.silence()
    os.close(waker._read)


def test_a_file_that_has_got_the_bells_number_stays_open(waker: Waker, stranger: int) -> None:
    numbers = waker._read, waker._write
    for number in numbers:
        os.dup2(stranger, number)

    waker.close()

    for number in numbers:
        os.fstat(number)
        os.close(number)


def test_another_bell_that_has_got_the_number_is_left_alone(waker: Waker) -> None:
    other = Waker()
    os.dup2(other._write, waker._write)

    waker.ring()

    assert not rings(other)
    os.close(waker._write)
    other.close()
