"""The worker of a test runs jobs by the real rules, in the thread of the test, without waiting."""

from __future__ import annotations

import threading
from contextlib import closing
from datetime import UTC, timedelta
from zoneinfo import ZoneInfo

import pytest

import pulpo
from pulpo import Pulpo
from pulpo.job import JobState
from pulpo.testing import TrialQueue

pytestmark = pytest.mark.usefixtures("no_sleep")


def test_a_job_runs_when_the_test_says_so_and_in_its_thread(app: Pulpo, queue: TrialQueue) -> None:
    threads = []
    job = app.job(type="t")(lambda_free(lambda: threads.append(threading.current_thread())))
    job.delay()

    assert threads == []
    runs = queue.worker.run()

    assert threads == [threading.current_thread()]
    assert [(run.type, run.ending, run.attempt) for run in runs] == [("t", "success", 1)]
    assert queue.jobs() == []


def lambda_free(call):
    """A function with a name, since a lambda is no job."""

    def job() -> None:
        call()

    return job


def test_a_delayed_job_waits_for_the_clock(app: Pulpo, queue: TrialQueue) -> None:
    done = []

    @app.job
    def job(n: int) -> None:
        done.append(n)

    job.schedule_in("1h", 1)
    job.schedule_at(queue.clock.now + timedelta(days=1), 2)

    queue.clock.advance("59m59s")
    assert len(queue.worker.run()) == 0
    queue.clock.advance("1s")
    queue.worker.run()
    assert done == [1]
    queue.clock.advance("23h")
    queue.worker.run()
    assert done == [1, 2]


def test_a_failure_is_retried_after_its_exact_backoff(app: Pulpo, queue: TrialQueue) -> None:
    attempts = []

    @app.job(retries=2)
    def job() -> None:
        attempts.append(pulpo.current_job().attempt)
        if len(attempts) < 3:
            raise ConnectionError("down")

    job.delay()
    (first,) = queue.worker.run()
    assert first.outcome == pulpo.Retry(16.0, "ConnectionError: down")
    assert isinstance(first.error, ConnectionError)

    queue.clock.advance("15s")
    assert len(queue.worker.run()) == 0
    queue.clock.advance("1s")
    assert queue.worker.run().retried == 1
    queue.clock.advance("31s")
    assert queue.worker.run().succeeded == 1
    assert attempts == [1, 2, 3]


def test_a_job_without_retries_left_is_buried_with_its_error(app: Pulpo, queue: TrialQueue) -> None:
    @app.job(type="t", retries=1, backoff=0)
    def job() -> None:
        raise ConnectionError("down")

    job.delay()
    runs = queue.worker.run()

    assert (runs.retried, runs.buried) == (1, 1)
    assert runs[1].outcome == pulpo.Bury("out of retries after 2 failures: ConnectionError: down")
    (left,) = queue.jobs(state="buried")
    assert left.error is not None
    assert "ConnectionError: down" in left.error


def test_errors_are_raised_where_a_test_asks_for_it(app: Pulpo, queue: TrialQueue) -> None:
    @app.job(type="t", backoff=0)
    def job(failures: int) -> None:
        if pulpo.current_job().attempt <= failures:
            raise ConnectionError("down")

    job.delay(1)
    assert queue.drain().raise_errors().succeeded == 1
    job.using(retries=1).delay(2)
    runs = queue.drain()
    with pytest.raises(ConnectionError, match="down"):
        runs.raise_errors()
    assert (
        str(runs).splitlines()[1].endswith("out of retries after 2 failures: ConnectionError: down")
    )
    assert str(queue.drain()) == "nothing was run"


def test_each_ending_is_counted(app: Pulpo, queue: TrialQueue) -> None:
    outcomes = {
        "success": None,
        "snoozed": pulpo.Snooze("5m"),
        "cancelled": pulpo.Cancel("not wanted"),
        "buried": pulpo.Bury("odd"),
        "retried": pulpo.Retry("1m", "busy"),
    }

    @app.job
    def job(name: str) -> object:
        return outcomes[name]

    job.delay_many([(name,) for name in outcomes])
    job.using(expires="1s").schedule_in("5s", "success")
    app.publish(pulpo.Message(type="nobody"))
    queue.clock.advance("5s")
    runs = queue.worker.run()

    assert (runs.succeeded, runs.snoozed, runs.cancelled, runs.buried) == (1, 1, 1, 1)
    assert (runs.retried, runs.expired, runs.bounced) == (1, 1, 1)
    told = {run.ending: run.outcome for run in runs}
    assert told == {
        "success": pulpo.Success(),
        "snoozed": pulpo.Snooze(300.0),
        "cancelled": pulpo.Cancel("not wanted"),
        "buried": pulpo.Bury("odd"),
        "retried": pulpo.Retry(60.0, "busy"),
        "expired": None,
        "bounced": None,
    }


def test_the_most_urgent_job_goes_first_also_one_that_a_job_has_published(
    app: Pulpo, queue: TrialQueue
) -> None:
    order = []

    @app.job
    def job(name: str) -> None:
        order.append(name)
        if name == "first":
            job.using(priority=0).delay("urgent")

    for name in ("first", "second", "third", "fourth"):
        job.delay(name)
    queue.worker.run()

    assert order == ["first", "urgent", "second", "third", "fourth"]


def test_at_most_so_many_run_and_the_rest_waits(app: Pulpo, queue: TrialQueue) -> None:
    done = []

    @app.job
    def job(n: int) -> None:
        done.append(n)

    job.delay_many([(n,) for n in range(5)])
    runs = queue.worker.run(at_most=2)

    assert (len(runs), done) == (2, [0, 1])
    assert [shown.state for shown in queue.jobs()] == ["ready"] * 3
    queue.worker.run()
    assert done == [0, 1, 2, 3, 4]
    with pytest.raises(pulpo.UsageError, match="at_most must be 1 or more: 0"):
        queue.worker.run(at_most=0)


def test_a_coroutine_runs_too_each_time_on_the_same_loop(app: Pulpo, queue: TrialQueue) -> None:
    import asyncio

    loops = []

    @app.job
    async def job() -> None:
        await asyncio.sleep(0)
        loops.append(asyncio.get_running_loop())

    for _ in range(2):
        job.delay()
        assert queue.worker.run().succeeded == 1

    assert loops[0] is loops[1]


def test_jobs_of_a_known_type_run_in_any_queue_that_they_were_published_to(
    app: Pulpo, queue: TrialQueue
) -> None:
    @app.job(type="t")
    def job() -> None: ...

    job.using(queue="elsewhere").delay()
    app.publish(pulpo.Message(type="another.service", queue="not-ours"))

    assert [(run.queue, run.ending) for run in queue.worker.run()] == [("elsewhere", "success")]
    assert [shown.type for shown in queue.jobs()] == ["another.service"]


def test_living_through_time_runs_each_job_at_its_moment(app: Pulpo, queue: TrialQueue) -> None:
    start, seen = queue.clock.now, []

    @app.job(backoff=["10m"])
    def job(name: str) -> None:
        seen.append((name, (queue.clock.now - start) / timedelta(minutes=1)))
        if name == "fails once" and pulpo.current_job().attempt == 1:
            raise ConnectionError

    job.delay("now")
    job.schedule_in("7m30s", "later")
    job.schedule_in("5m", "fails once")
    job.schedule_in("3h", "too late")
    runs = queue.worker.run_for("2h")

    assert seen == [("now", 0.0), ("fails once", 5.0), ("later", 7.5), ("fails once", 15.0)]
    assert (runs.succeeded, runs.retried) == (3, 1)
    assert queue.clock.now - start == timedelta(hours=2)
    assert [job.state for job in queue.jobs()] == ["delayed"]


class Hourly:
    """Something that comes round once an hour, as a schedule does."""

    def __init__(self, queue: TrialQueue, publish) -> None:
        self._clock = queue.clock
        self._publish = publish
        self._next = self._clock.monotonic() + 3_600.0

    def tick(self) -> None:
        while self._next <= self._clock.monotonic():
            self._next += 3_600.0
            self._publish()

    def wait(self) -> float:
        return self._next - self._clock.monotonic()


def test_what_goes_by_the_clock_comes_round_at_each_of_its_moments(
    app: Pulpo, queue: TrialQueue
) -> None:
    start, hours = queue.clock.now, []

    @app.job
    def report() -> None:
        hours.append((queue.clock.now - start) / timedelta(hours=1))

    queue.worker.by_the_clock.append(Hourly(queue, report.delay))
    queue.worker.run_for("5h")

    assert hours == [1, 2, 3, 4, 5]
    queue.clock.advance("2h")
    assert queue.worker.run().succeeded == 2


def test_a_lease_that_ends_gives_the_job_to_the_next_worker(app: Pulpo, queue: TrialQueue) -> None:
    @app.job(ttr="2m")
    def job() -> None: ...

    job.delay()
    frozen = queue.engine.adapter()
    _, held = frozen.exchange([], ["default"], limit=1, timeout=0)

    queue.clock.advance("1m59s")
    assert len(queue.worker.run()) == 0
    queue.clock.advance("2s")
    assert queue.worker.run().succeeded == 1
    assert frozen.touch(held) == [False]
    frozen.close()


def test_a_handler_that_outlasts_its_timeout_has_failed(app: Pulpo, queue: TrialQueue) -> None:
    @app.job(timeout="10m")
    def job() -> None:
        queue.clock.advance("11m")

    job.delay()
    (run,) = queue.worker.run()

    assert run.ending == "retried"
    assert "JobTimeoutError: timed out after 10m" in run.reason


def test_middleware_and_listeners_are_those_of_the_app(app: Pulpo, queue: TrialQueue) -> None:
    told = []

    @app.around("publish")
    def tenant(message: pulpo.Message):
        yield message.with_headers({"tenant": "acme"})

    @app.around("run")
    def watch(run: pulpo.Run):
        told.append(run.headers["tenant"])
        yield

    app.on("success", lambda event: told.append(event.name))

    @app.job
    def job() -> None: ...

    job.delay()
    queue.worker.run()

    assert told == ["acme", "success"]
    assert queue.published()[0].headers == {"tenant": "acme"}


def test_a_queue_that_fails_is_told_and_not_waited_for(
    app: Pulpo, queue: TrialQueue, monkeypatch: pytest.MonkeyPatch
) -> None:
    @app.job
    def job() -> None: ...

    job.delay()
    adapter = queue.engine.adapter()
    fails = pulpo.QueueUnavailableError("out of reach")

    def exchange(*_: object, **__: object) -> None:
        raise fails

    monkeypatch.setattr(type(adapter), "exchange", exchange)
    adapter.close()
    with pytest.raises(pulpo.QueueUnavailableError, match="out of reach"):
        queue.drain()


def test_jobs_that_never_end_are_told(
    app: Pulpo, queue: TrialQueue, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pulpo.testing.worker._MOST_RUNS", 25)

    @app.job(type="again")
    def job() -> object:
        return pulpo.Snooze(0)

    job.delay()
    with pytest.raises(AssertionError, match="there is no end to it: after 25 runs, again id="):
        queue.worker.run()


@pytest.mark.parametrize("error", [KeyboardInterrupt, pytest.fail.Exception])
def test_what_is_meant_for_the_test_reaches_it(
    app: Pulpo, queue: TrialQueue, error: type[BaseException]
) -> None:
    after = []

    @app.job
    def job(n: int) -> None:
        if n == 0:
            raise error
        after.append(n)

    job.delay_many([(0,), (1,)])
    with pytest.raises(error):
        queue.worker.run()
    assert after == []


def test_sys_exit_is_a_failure_as_in_a_worker(app: Pulpo, queue: TrialQueue) -> None:
    @app.job
    def job() -> None:
        raise SystemExit(3)

    job.delay()

    assert queue.worker.run().buried == 1


def test_a_job_that_drains_the_queue_itself_does_not_run_twice(
    app: Pulpo, queue: TrialQueue
) -> None:
    done = []

    @app.job
    def job(n: int) -> None:
        done.append(n)
        if n == 0:
            queue.drain()

    job.delay_many([(0,), (1,)])
    runs = queue.drain()

    assert (len(runs), done) == (1, [0, 1])


def test_reserved_jobs_and_dates_are_shown(app: Pulpo, queue: TrialQueue) -> None:
    states = []

    @app.job
    def job() -> None:
        states.extend(shown.state for shown in queue.jobs())

    job.delay()
    job.schedule_at((queue.clock.now + timedelta(hours=1)).astimezone(ZoneInfo("Asia/Tokyo")))
    queue.drain()

    assert sorted(states) == ["delayed", "reserved"]
    assert queue.clock.now.tzinfo is UTC
    with closing(queue.engine.admin()) as admin:
        (waiting,) = admin.list(state=JobState.DELAYED)
    assert waiting.due == 3_600.0
