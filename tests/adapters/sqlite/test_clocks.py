"""Delays, dates and leases when the wall clock is set, and when the machine is started anew."""

from __future__ import annotations

import pytest

from pulpo.adapters.sqlite.adapter import SQLiteAdapter
from pulpo.adapters.sqlite.admin import SQLiteAdmin
from pulpo.clock import ManualClock
from pulpo.job import JobState, Settlement, Verb
from tests.adapters.sqlite.conftest import Open
from tests.adapters.sqlite.jobs import bodies, delete, new, put, reserve


def state(admin: SQLiteAdmin, id: str) -> JobState:
    (found,) = admin.peek([id])
    assert found is not None
    return found.state


def left(admin: SQLiteAdmin, id: str) -> float:
    (found,) = admin.peek([id])
    assert found is not None
    return found.due


def test_a_date_comes_when_the_wall_clock_says_so(
    adapter: SQLiteAdapter, admin: SQLiteAdmin, clock: ManualClock
) -> None:
    dated = new(b"dated", at=clock.wall() + 3_600)
    put(adapter, dated)

    clock.jump(3_599)
    assert reserve(adapter) == ()
    clock.jump(-10_000)
    clock.advance(3_600)
    assert state(admin, dated.id) is JobState.DELAYED
    clock.jump(10_000)

    assert state(admin, dated.id) is JobState.READY
    assert bodies(reserve(adapter)) == [b"dated"]


@pytest.mark.parametrize("jump", [86_400.0, -86_400.0])
def test_a_delay_and_a_lease_take_as_long_as_they_take(
    open_adapter: Open, admin: SQLiteAdmin, clock: ManualClock, jump: float
) -> None:
    owner, other = open_adapter(), open_adapter()
    delayed, held = new(b"delayed", delay=100.0), new(b"held", ttr=60.0)
    put(owner, delayed, held)
    assert bodies(reserve(owner)) == [b"held"]

    clock.jump(jump)
    assert left(admin, delayed.id) == 100.0
    clock.advance(59)
    assert reserve(other) == ()
    clock.advance(2)
    assert bodies(reserve(other)) == [b"held"]
    clock.advance(38)
    assert reserve(other) == ()
    clock.advance(2)
    assert bodies(reserve(other)) == [b"delayed"]


def test_a_lease_ends_with_the_boot_it_was_taken_in(open_adapter: Open, clock: ManualClock) -> None:
    before, after = open_adapter(), open_adapter()
    put(before, new(b"held", ttr=86_400.0))
    (job,) = reserve(before)

    clock.reboot()

    (again,) = reserve(after)
    assert (again.body, again.crashes) == (b"held", 1)
    assert delete(before, [job]) == [False]
    assert delete(after, [again]) == [True]


def test_a_delay_goes_on_by_the_wall_clock_after_a_boot(
    open_adapter: Open, admin: SQLiteAdmin, clock: ManualClock
) -> None:
    delayed = new(b"delayed", delay=100.0)
    put(open_adapter(), delayed)
    clock.advance(30)

    clock.reboot()
    clock.jump(20)  # as long as it was off

    after = open_adapter()
    assert reserve(after) == ()
    assert left(admin, delayed.id) == pytest.approx(50.0)
    clock.advance(51)
    assert bodies(reserve(after)) == [b"delayed"]


def test_a_boot_leaves_what_is_buried_dated_or_ready_as_it_is(
    open_adapter: Open, admin: SQLiteAdmin, clock: ManualClock
) -> None:
    before = open_adapter()
    buried = new(b"buried")
    dated, ready = new(b"dated", at=clock.wall() + 50), new(b"ready")
    put(before, buried)
    (job,) = reserve(before)
    before.exchange([Settlement(Verb.BURY, job, rewritten=buried)], (), limit=0, timeout=0.0)
    put(before, dated, ready)

    clock.reboot()
    reserve(open_adapter(), queues=["other"])

    states = [state(admin, job.id) for job in (buried, dated, ready)]
    assert states == [JobState.BURIED, JobState.DELAYED, JobState.READY]
    assert left(admin, dated.id) == pytest.approx(50.0)


@pytest.mark.parametrize("jump", [3_600.0, -3_600.0])
def test_a_pause_lasts_as_long_as_was_said_wherever_the_wall_clock_is_set(
    adapter: SQLiteAdapter, admin: SQLiteAdmin, clock: ManualClock, jump: float
) -> None:
    put(adapter, new(b"job"))
    admin.pause("default", 60.0)
    clock.advance(30)
    clock.jump(jump)

    assert admin.stats("default").pause_left == 30.0
    assert reserve(adapter) == ()
    clock.advance(31)
    assert admin.stats("default").paused is False
    assert bodies(reserve(adapter)) == [b"job"]


def test_a_pause_goes_on_by_the_wall_clock_when_the_machine_was_started_anew(
    adapter: SQLiteAdapter, admin: SQLiteAdmin, clock: ManualClock
) -> None:
    put(adapter, new(b"job"))
    admin.pause("default", 60.0)
    clock.jump(20)  # while it was off
    clock.reboot()

    assert reserve(adapter) == ()
    assert admin.stats("default").pause_left == 40.0
    clock.advance(41)
    assert bodies(reserve(adapter)) == [b"job"]


def test_a_pause_that_has_ended_is_removed_also_where_another_queue_is_served(
    adapter: SQLiteAdapter, admin: SQLiteAdmin, clock: ManualClock
) -> None:
    admin.pause("ended", 60.0)
    admin.pause("lasting", 600.0)
    admin.pause("endless")
    clock.advance(61)

    reserve(adapter, queues=["other"])

    assert list(admin.queues()) == ["endless", "lasting"]


def test_an_operator_removes_pauses_that_have_ended(admin: SQLiteAdmin, clock: ManualClock) -> None:
    admin.pause("ended", 60.0)
    clock.advance(61)

    admin.pause("other")

    assert list(admin.queues()) == ["other"]


def test_a_burst_finds_its_job_behind_a_thousand_that_are_due_elsewhere(
    adapter: SQLiteAdapter, clock: ManualClock
) -> None:
    put(adapter, *[new(queue="elsewhere", delay=1.0) for _ in range(2_500)])
    put(adapter, new(b"ours", delay=2.0))
    clock.advance(3)

    assert bodies(reserve(adapter)) == [b"ours"]
