"""When a lease is due, overdue, and a run over its time."""

from __future__ import annotations

from pulpo.worker.leases import due, lease, over_time, overdue
from tests.worker.stage import run_of


def test_a_lease_is_due_when_a_third_of_it_is_over() -> None:
    run = run_of()
    run.renewed = 100.0

    assert due([run], 119.9) == []
    assert due([run], 120.0) == [run]


def test_a_lease_that_the_queue_calls_lost_is_never_due() -> None:
    run = run_of()
    run.lost = run.gone = True

    assert due([run], 1e9) == []


def test_a_lease_that_nobody_confirmed_is_asked_for_again() -> None:
    run = run_of()
    run.lost = True

    assert due([run], 1e9) == [run]


def test_a_lease_that_was_not_confirmed_for_its_whole_length_is_overdue() -> None:
    run = run_of()
    run.renewed = 100.0

    assert not overdue(run, 160.0)
    assert overdue(run, 160.1)


def test_a_lease_is_as_long_as_the_queue_says_or_else_the_job() -> None:
    run = run_of(ttr=90.0)
    assert lease(run) == 60.0

    object.__setattr__(run.job, "ttr", None)
    assert lease(run) == 90.0


def test_a_run_is_over_its_time_only_once_it_has_begun() -> None:
    waiting, running, alone = run_of(timeout=5), run_of(timeout=5), run_of(timeout=5)
    running.started = alone.started = 100.0
    alone.isolated = True  # its own process keeps the limit

    assert over_time([waiting, running, alone], 105.0) == []
    assert over_time([waiting, running, alone], 105.1) == [running]
