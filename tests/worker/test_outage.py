"""Waiting for a queue that is out of reach."""

from __future__ import annotations

import io
import threading
from itertools import pairwise

import pytest

from pulpo.clock import ManualClock
from pulpo.worker.journal import Journal
from pulpo.worker.outage import BEAT, FIRST_PAUSE, LONGEST_PAUSE, Outage


class Waits(threading.Event):
    """An event whose waits move a clock instead of taking time."""

    def __init__(self, clock: ManualClock) -> None:
        super().__init__()
        self.clock = clock

    def wait(self, timeout: float | None = None) -> bool:
        self.clock.advance(timeout or 0.0)
        return self.is_set()


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


def test_each_wait_is_longer_up_to_the_cap_and_the_loop_beats(clock: ManualClock) -> None:
    stream, beats = io.StringIO(), []
    outage = Outage(clock, Journal(clock, stream=stream), lambda: beats.append(clock.monotonic()))
    waits = []
    for _ in range(9):
        started = clock.monotonic()
        outage.wait(OSError("nobody there"), Waits(clock))
        waits.append(clock.monotonic() - started)

    assert waits[0] <= 0.1
    assert LONGEST_PAUSE * 0.79 <= waits[-1] <= LONGEST_PAUSE + 0.01
    assert max(later - sooner for sooner, later in pairwise(beats)) <= BEAT + 0.01
    assert stream.getvalue().count("nobody there") == 1


def test_a_queue_that_is_back_is_told_once(clock: ManualClock) -> None:
    stream = io.StringIO()
    outage = Outage(clock, Journal(clock, stream=stream), lambda: None)
    outage.is_over()
    assert stream.getvalue() == ""
    outage.wait(OSError("x"), Waits(clock))

    outage.is_over()
    outage.is_over()

    assert stream.getvalue().count("in reach again") == 1


def test_a_stop_ends_the_wait(clock: ManualClock) -> None:
    outage = Outage(clock, Journal(clock, stream=io.StringIO()), lambda: None)
    stopped = Waits(clock)
    for _ in range(8):
        outage.wait(OSError("x"), Waits(clock))
    stopped.set()
    started = clock.monotonic()

    outage.wait(OSError("x"), stopped)

    assert clock.monotonic() - started <= BEAT


def test_a_stop_in_the_middle_of_a_wait_ends_it(clock: ManualClock) -> None:
    class StopsAfterASecond(Waits):
        def wait(self, timeout: float | None = None) -> bool:
            super().wait(timeout)
            if self.clock.monotonic() >= started + 1:
                self.set()
            return self.is_set()

    outage = Outage(clock, Journal(clock, stream=io.StringIO()), lambda: None)
    for _ in range(8):
        outage.wait(OSError("x"), Waits(clock))
    started = clock.monotonic()

    outage.wait(OSError("x"), StopsAfterASecond(clock))

    assert clock.monotonic() - started <= 1 + BEAT


def test_the_next_outage_is_told_again_and_begins_with_short_waits(clock: ManualClock) -> None:
    stream = io.StringIO()
    outage = Outage(clock, Journal(clock, stream=stream), lambda: None)
    for _ in range(8):
        outage.wait(OSError("first"), Waits(clock))
    outage.is_over()
    started = clock.monotonic()

    outage.wait(OSError("second"), Waits(clock))

    assert clock.monotonic() - started <= FIRST_PAUSE
    told = [line for line in stream.getvalue().splitlines() if "out of reach" in line]
    assert ["first" in told[0], "second" in told[1], len(told)] == [True, True, 2]


def test_workers_of_a_host_do_not_all_try_at_the_same_moment(clock: ManualClock) -> None:
    waits = set()
    for _ in range(20):
        outage = Outage(clock, Journal(clock, stream=io.StringIO()), lambda: None)
        started = clock.monotonic()
        outage.wait(OSError("x"), Waits(clock))
        waits.add(round(clock.monotonic() - started, 6))

    assert len(waits) > 10
