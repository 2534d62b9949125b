"""A kept job comes out of its file as it went in, or not at all."""

from __future__ import annotations

import msgpack
import pytest

from pulpo.adapters.spool.record import Kept, pack, unpack
from pulpo.clock import ManualClock
from pulpo.errors import DecodeError
from pulpo.job import Guard
from tests.adapters.spool.jobs import job

FULL = job(
    queue="mail", body=bytes(range(256)), priority=7, delay=90.0, at=1e9, ttr=30.0, expires=2e9
)


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


def kept(clock: ManualClock, **fields: object) -> Kept:
    return Kept.now(job(**fields), clock, clock.boot())


def left(kept: Kept, clock: ManualClock) -> float:
    return kept.put_now(clock, clock.boot()).delay


def test_every_field_comes_back(clock: ManualClock) -> None:
    before = Kept.now(FULL, clock, clock.boot())

    assert unpack(pack(before)) == before


def test_the_keys_of_a_job_come_back(clock: ManualClock) -> None:
    guards = (
        Guard("id:7", 86_400.0),
        Guard("mail:1"),
    )
    before = kept(clock, guards=guards)

    assert unpack(pack(before)) == before


def test_a_file_that_is_torn_anywhere_is_no_job(clock: ManualClock) -> None:
    data = pack(Kept.now(FULL, clock, "boot"))

    for length in range(len(data)):
        for torn in (data[:length], data[:length] + bytes(len(data) - length)):
            if torn != data:
                with pytest.raises(DecodeError):
                    unpack(torn)


def test_a_file_with_any_bit_turned_is_no_job(clock: ManualClock) -> None:
    data = pack(kept(clock))

    for place in range(len(data)):
        for bit in range(8):
            turned = bytearray(data)
            turned[place] ^= 1 << bit
            with pytest.raises(DecodeError):
                unpack(bytes(turned))


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"notes",
        msgpack.packb([2, 0, b""]),
        msgpack.packb([1, 0]),
        msgpack.packb({"id": "x"}),
        msgpack.packb([1, 1_624_895_013, msgpack.packb({"id": "x"})]),
        b"\xc1",
        b"[" * 10_000,
        b"\x91" * 10_000,
    ],
)
def test_a_foreign_or_newer_file_is_no_job(data: bytes) -> None:
    with pytest.raises(DecodeError):
        unpack(data)


def test_a_name_that_no_queue_can_have_is_no_job(clock: ManualClock) -> None:
    with pytest.raises(DecodeError):
        unpack(pack(kept(clock, queue="two\r\nlines")))


def test_a_delay_counts_from_acceptance(clock: ManualClock) -> None:
    waiting = kept(clock, delay=60.0)

    assert left(waiting, clock) == 60
    clock.advance(45)
    assert left(waiting, clock) == 15
    clock.advance(45)
    assert left(waiting, clock) == 0


@pytest.mark.parametrize("jump", [-1e6, 1e6])
def test_a_clock_that_is_set_changes_no_delay(clock: ManualClock, jump: float) -> None:
    waiting = kept(clock, delay=60.0)
    clock.advance(20)
    clock.jump(jump)

    assert left(waiting, clock) == 40


def test_after_a_restart_of_the_machine_the_wall_clock_says_what_is_left(
    clock: ManualClock,
) -> None:
    waiting = kept(clock, delay=60.0)
    clock.advance(20)
    clock.reboot()

    assert left(waiting, clock) == 40
    clock.jump(-1e6)
    assert left(waiting, clock) == 60, "no more than was asked for"


def test_moments_stay_as_they_are(clock: ManualClock) -> None:
    waiting = kept(clock, at=1e9, expires=2e9)
    clock.advance(1000)

    now = waiting.put_now(clock, clock.boot())
    assert (now.at, now.expires) == (1e9, 2e9)
