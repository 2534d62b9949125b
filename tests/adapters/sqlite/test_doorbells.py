"""Who is woken by a publisher: as many as there are jobs, of those that serve their queue."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from pulpo.adapters.sqlite.doorbells import Doorbell, Doorbells

Ring = Callable[..., Doorbell]


@pytest.fixture
def side(tmp_path: Path) -> Path:
    return tmp_path


@pytest.fixture
def publisher(side: Path) -> Iterator[Doorbells]:
    with contextlib.closing(Doorbells(side)) as bells:
        yield bells


@pytest.fixture
def waiting(side: Path) -> Iterator[Ring]:
    with contextlib.ExitStack() as stack:

        def listen(slot: int, *queues: str) -> Doorbell:
            bell = Doorbell(side, slot)
            stack.callback(bell.close)
            bell.listen(queues)
            return bell

        yield listen


def rung(*bells: Doorbell) -> list[bool]:
    return [bell.silence() for bell in bells]


def test_one_job_rings_at_one_door(publisher: Doorbells, waiting: Ring) -> None:
    bells = [waiting(slot, "mail") for slot in range(3)]

    publisher.ring({"mail": 1})

    assert rung(*bells) == [True, False, False]


def test_who_was_rung_is_not_rung_again_before_it_waits_again(
    publisher: Doorbells, waiting: Ring
) -> None:
    bells = [waiting(slot, "mail") for slot in range(2)]

    publisher.ring({"mail": 1})
    publisher.ring({"mail": 1})

    assert rung(*bells) == [True, True]


def test_only_those_that_serve_the_queue_are_rung(publisher: Doorbells, waiting: Ring) -> None:
    bells = waiting(0, "reports"), waiting(1, "reports", "mail"), waiting(2, "mail")

    publisher.ring({"mail": 5})

    assert rung(*bells) == [False, True, True]


def test_one_that_serves_very_many_queues_is_always_rung(
    publisher: Doorbells, waiting: Ring
) -> None:
    many = waiting(0, *[f"queue-{number}" for number in range(40)])

    publisher.ring({"queue-39": 1})

    assert rung(many) == [True]


def test_a_dead_one_does_not_take_the_ring_from_a_living(
    side: Path, publisher: Doorbells, waiting: Ring
) -> None:
    dead = Doorbell(side, 0)
    dead.listen(["mail"])
    dead.abandon()  # its descriptors are closed, its flag and its FIFO stay
    living = waiting(1, "mail")

    publisher.ring({"mail": 1})

    assert rung(living) == [True]


def test_who_takes_the_place_of_a_dead_one_is_not_taken_for_waiting(
    side: Path, publisher: Doorbells
) -> None:
    dead = Doorbell(side, 0)
    dead.listen(["mail"])
    dead.abandon()

    with contextlib.closing(Doorbell(side, 0)) as heir:
        publisher.ring({"mail": 1})

        assert rung(heir) == [False]


def test_who_left_is_not_rung(publisher: Doorbells, waiting: Ring) -> None:
    bell = waiting(0, "mail")

    assert bell.leave() is False
    publisher.ring({"mail": 1})

    assert rung(bell) == [False]


def test_who_is_rung_before_it_leaves_is_told(publisher: Doorbells, waiting: Ring) -> None:
    bell = waiting(0, "mail")
    publisher.ring({"mail": 1})

    assert bell.leave() is True


def test_a_ring_never_fails(side: Path, publisher: Doorbells, waiting: Ring) -> None:
    waiting(0, "mail")
    (side / "bell-0").unlink()
    publisher.ring({"mail": 1})
    publisher.close()

    publisher.ring({"mail": 1})
