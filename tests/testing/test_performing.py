"""One run of one job, and the outcome it had."""

from __future__ import annotations

import pytest

import pulpo
from pulpo import Pulpo
from pulpo.testing import TrialQueue, perform, perform_attempt, trial

pytestmark = pytest.mark.usefixtures("no_sleep")


def test_the_outcome_is_what_the_rules_have_made_of_the_run(app: Pulpo, queue: TrialQueue) -> None:
    ends = {
        "raises": ValueError("bad\nin two lines"),
        "fatal": KeyError("k"),
        "says when": pulpo.TransientError("later", delay="7m"),
        "retry": pulpo.Retry(reason="busy"),
        "bury": pulpo.Bury("odd"),
        "snooze": pulpo.Snooze("1h"),
        "cancel": pulpo.Cancel("stale"),
        "none": None,
    }

    @app.job(retries=3, fatal=(KeyError,), backoff=["1m", "2m", "3m"])
    def job(case: str, *, lang: str = "en") -> object:
        end = ends.get(case, [case, lang])
        if isinstance(end, Exception):
            raise end
        return end

    assert perform(job, "raises") == pulpo.Retry(60.0, "ValueError: bad")
    assert perform(job, "fatal") == pulpo.Bury("KeyError: 'k'")
    assert perform(job, "says when") == pulpo.Retry(420.0, "pulpo.errors.TransientError: later")
    assert perform(job, "retry") == pulpo.Retry(60.0, "busy")
    assert perform(job, "bury") == pulpo.Bury("odd")
    assert perform(job, "snooze") == pulpo.Snooze(3_600.0)
    assert perform(job, "cancel") == pulpo.Cancel("stale")
    assert perform(job, "none") == pulpo.Success()
    assert perform(job, "x", lang="de") == pulpo.Success(["x", "de"])
    assert perform_attempt(3, job, "raises") == pulpo.Retry(180.0, "ValueError: bad")
    assert perform_attempt(4, job, "raises") == pulpo.Bury(
        "out of retries after 4 failures: ValueError: bad"
    )


def test_the_queue_stays_as_it_is_and_gets_what_the_handler_publishes(
    app: Pulpo, queue: TrialQueue
) -> None:
    @app.job
    def other() -> None: ...

    @app.job
    def job() -> None:
        other.delay()

    other.schedule_in("1h")
    assert perform(job.using(delay="2h", queue="anywhere")) == pulpo.Success()

    assert [shown.type for shown in queue.jobs()] == [other.job_type.type] * 2
    assert len(queue.published()) == 2


def test_middleware_is_around_it(app: Pulpo, queue: TrialQueue) -> None:
    @app.around("publish")
    def tenant(message: pulpo.Message):
        yield message.with_headers({"tenant": "acme"})

    @app.job
    def job() -> object:
        return pulpo.current_job().headers["tenant"]

    assert perform(job) == pulpo.Success("acme")


def test_a_message_stands_for_a_registered_job(app: Pulpo, queue: TrialQueue) -> None:
    app.register("shout", lambda message: message.body.upper())

    assert perform(pulpo.Message(type="shout", body="hi")) == pulpo.Success("HI")
    with pytest.raises(pulpo.UsageError, match="has its arguments with it"):
        perform(pulpo.Message(type="shout"), 1)
    with pytest.raises(pulpo.UnknownJobTypeError, match="did you mean 'shout'"):
        perform(pulpo.Message(type="shuot"))


def test_wrong_calls_name_what_is_wrong(app: Pulpo, queue: TrialQueue) -> None:
    @app.job(type="t")
    def job(n: int) -> None: ...

    with pytest.raises(TypeError, match="missing a required argument: 'n'"):
        perform(job)  # type: ignore[call-arg]
    with pytest.raises(pulpo.EncodeError):
        perform(job, object())  # type: ignore[arg-type]
    with pytest.raises(pulpo.UsageError, match="attempt must be 1 or more: 0"):
        perform_attempt(0, job, 1)
    with pytest.raises(TypeError, match="a job function or a message: 'job'"):
        perform("job")  # type: ignore[arg-type]
    with pytest.raises(pulpo.UsageError, match="has no outcome, its handler was not called; exp"):
        perform(job.using(expires=0), 1)


def test_a_job_is_performed_by_its_own_app() -> None:
    one, two = Pulpo("memory://"), Pulpo("memory://")

    @one.job(type="t", retries=0)
    def job() -> None:
        raise ConnectionError

    @two.job(type="t")
    def other() -> None: ...

    with trial(two):
        assert isinstance(perform(job), pulpo.Bury)
        assert perform(other) == pulpo.Success()


def test_without_a_test_queue_a_job_has_one_for_the_moment() -> None:
    @pulpo.job(type="tests.moment")
    def job(n: int) -> object:
        if n:
            job.delay(0)
        return n

    try:
        assert perform(job, 1) == pulpo.Success(1)
    finally:
        pulpo.default_app().registry.remove(job.job_type)
