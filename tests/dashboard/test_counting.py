"""Counts that are made beside the pages: one at a time, and not too often."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import Future

import pytest

from pulpo.clock import ManualClock
from pulpo.dashboard.counting import Counted, Counts
from pulpo.job import QueueStats


class Admin:
    """Answers as a queue that needs its time, by the clock of the test."""

    def __init__(self, clock: ManualClock, *, takes: float = 0.0) -> None:
        self.asked = 0
        self._clock = clock
        self._takes = takes

    def queues(self) -> list[str]:
        self.asked += 1
        self._clock.advance(self._takes)
        return ["mail"]

    def stats(self, name: str) -> QueueStats:
        return QueueStats(queue=name, ready=self.asked)


class Threads:
    """Runs work at once, or when the test says so."""

    def __init__(self, admin: Admin) -> None:
        self.admin = admin
        self.waits = False
        self.later: list[Callable[[], None]] = []

    def submit(self, work: Callable[[object], Counted]) -> Future[Counted]:
        done: Future[Counted] = Future()

        def run() -> None:
            done.set_running_or_notify_cancel()
            try:
                done.set_result(work(self.admin))
            except Exception as error:
                done.set_exception(error)

        self.later.append(run)
        if not self.waits:
            self.later.pop()()
        return done


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


def look(counts: Counts) -> Counted | None:
    return asyncio.run(counts.current(patience=0.01))


def test_a_count_that_is_done_at_once_is_shown_and_kept_for_a_while(clock: ManualClock) -> None:
    admin = Admin(clock)
    counts = Counts(Threads(admin).submit, clock)

    found = look(counts)
    clock.advance(0.9)

    assert found is not None
    assert found.names == ("default", "mail")
    assert look(counts) is found
    assert admin.asked == 1


def test_a_count_grows_old(clock: ManualClock) -> None:
    admin = Admin(clock)
    counts = Counts(Threads(admin).submit, clock)
    look(counts)
    clock.advance(1.1)

    look(counts)

    assert admin.asked == 2


def test_a_count_that_takes_long_is_made_seldom(clock: ManualClock) -> None:
    admin = Admin(clock, takes=2.0)
    counts = Counts(Threads(admin).submit, clock)
    look(counts)

    clock.advance(19.0)
    look(counts)
    assert admin.asked == 1

    clock.advance(2.0)
    look(counts)
    assert admin.asked == 2


def test_nobody_waits_for_a_slow_count_and_it_is_made_once(clock: ManualClock) -> None:
    admin = Admin(clock)
    threads = Threads(admin)
    threads.waits = True
    counts = Counts(threads.submit, clock)

    assert [look(counts) for _ in range(5)] == [None] * 5
    assert len(threads.later) == 1

    threads.later.pop()()
    assert look(counts) is not None
    assert admin.asked == 1


def test_meanwhile_the_last_count_is_shown(clock: ManualClock) -> None:
    threads = Threads(Admin(clock))
    counts = Counts(threads.submit, clock)
    first = look(counts)
    clock.advance(5)
    threads.waits = True

    assert look(counts) is first


def test_after_a_change_the_count_is_a_new_one(clock: ManualClock) -> None:
    threads = Threads(Admin(clock))
    threads.waits = True
    counts = Counts(threads.submit, clock)
    look(counts)
    old = threads.later.pop()
    counts.forget()
    threads.waits = False

    found = look(counts)
    old()

    assert found is not None
    assert look(counts) is found


def test_a_count_that_fails_is_said_and_tried_again(clock: ManualClock) -> None:
    admin = Admin(clock)
    threads = Threads(admin)
    counts = Counts(threads.submit, clock)
    threads.admin = None  # type: ignore[assignment]

    with pytest.raises(AttributeError):
        look(counts)

    threads.admin = admin
    assert look(counts) is not None
