"""The clock of a test stands still until it is moved."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta

import pytest

import pulpo
from pulpo import Pulpo
from pulpo.testing import TrialQueue
from pulpo.testing.clock import frozen_clock, unmovable_clock


def test_it_stands_still_and_is_moved_by_any_duration() -> None:
    clock = frozen_clock()
    start = clock.now

    time.sleep(0.001)
    assert clock.now == start
    for duration in (1, "1m", timedelta(hours=1), 0.5):
        clock.advance(duration)

    assert clock.now - start == timedelta(hours=1, minutes=1, seconds=1.5)
    assert clock.wall() == clock.now.timestamp()


def test_it_starts_a_second_ahead_so_that_the_real_time_is_not_late() -> None:
    before = datetime.now(UTC)
    clock = frozen_clock()

    assert timedelta(seconds=0.98) <= clock.now - before <= timedelta(seconds=1.9)


def test_a_job_that_is_scheduled_by_the_real_time_is_due_with_the_test(
    app: Pulpo, queue: TrialQueue
) -> None:
    @app.job
    def job() -> None: ...

    job.schedule_at(datetime.now(UTC) + timedelta(hours=1))
    queue.assert_published(job, due_in="1h")
    queue.clock.advance("1h")

    assert queue.drain().succeeded == 1


def test_it_goes_to_a_moment_but_not_back() -> None:
    clock = frozen_clock()
    clock.advance_to(datetime(2042, 3, 1, 9, tzinfo=UTC))

    assert clock.now == datetime(2042, 3, 1, 9, tzinfo=UTC)
    with pytest.raises(pulpo.UsageError, match="only goes forward; it is 2042-03-01 09:00"):
        clock.advance_to(datetime(2042, 3, 1, 8, tzinfo=UTC))
    with pytest.raises(pulpo.UsageError, match="moment must say its time zone"):
        clock.advance_to(datetime(2043, 1, 1))
    with pytest.raises(pulpo.UsageError, match="duration must be 0 or more: -1"):
        clock.advance(-1)


def test_the_clock_of_a_server_is_not_moved() -> None:
    clock = unmovable_clock("beanstalkd", None)

    assert abs((clock.now - datetime.now(UTC)).total_seconds()) < 1.0
    with pytest.raises(pulpo.UnsupportedError, match="the clock of beanstalkd cannot be moved"):
        clock.advance("1h")
    with pytest.raises(pytest.skip.Exception, match="cannot be moved"):
        unmovable_clock("beanstalkd", pytest.skip).advance("1h")
