"""Rules that one job carries, in place of those of its type."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest

import pulpo
from pulpo.errors import UsageError, WrongTypeError
from tests.worker.stage import Stage

Make = Callable[..., Stage]


def doomed(stage: Stage) -> pulpo.JobFunction[[], None]:
    @stage.app.job(type="doomed", retries=9, backoff=500)
    def fails() -> None:
        raise ValueError("no")

    return fails


def test_a_call_says_how_often_its_job_may_fail(stage: Stage) -> None:
    job = doomed(stage)
    once, usual = job.using(retries=0).delay(), job.delay()

    stage.drain()

    assert (stage.state(once.id), stage.state(usual.id)) == ("buried", "delayed")


def test_a_call_says_when_its_job_runs_again_each_time(stage: Stage) -> None:
    ref = doomed(stage).using(backoff=["10s", 100]).delay()
    dues = []
    for _ in range(3):
        stage.worker._drained = False
        stage.drain()
        (found,) = stage.admin.peek([ref.id])
        assert found is not None
        dues.append(found.due)
        stage.clock.advance(120)

    assert [round(due, -1) for due in dues] == pytest.approx([10, 100, 100], abs=11)
    assert stage.headers(ref.id)["backoff"] == [10.0, 100.0]


def test_a_call_says_how_long_its_run_may_take(make_stage: Make) -> None:
    stage = make_stage(burst=False)

    @stage.app.job(type="long", retries=0)
    def long() -> None:
        while True:
            time.sleep(0.001)

    ref = long.using(timeout="30s").delay()
    stage.tick_until(lambda: stage.worker._threads.running())
    stage.clock.advance(31)
    stage.tick_until(lambda: stage.endings)

    assert stage.state(ref.id) == "buried"
    assert "timed out after 30s" in stage.headers(ref.id)["errors"][-1]


def test_a_message_says_it_too(stage: Stage) -> None:
    doomed(stage)
    ref = stage.app.publish(pulpo.Message(type="doomed", body={}, retries=0))

    stage.drain()

    assert stage.state(ref.id) == "buried"


@pytest.mark.parametrize(
    ("option", "error", "said"),
    [
        ({"retries": -1}, UsageError, "retries must be 0 to"),
        ({"retries": "3"}, WrongTypeError, "retries must be a whole number: '3'"),
        ({"timeout": 0}, UsageError, "timeout must be more than 0"),
        ({"backoff": []}, UsageError, "backoff"),
        ({"backoff": lambda n, error: 3}, WrongTypeError, "a function belongs to the job type"),
        ({"fatal": ValueError}, TypeError, "unknown option 'fatal'"),
    ],
)
def test_a_rule_that_cannot_travel_is_refused_at_the_call(
    stage: Stage, option: dict[str, object], error: type[Exception], said: str
) -> None:
    job = doomed(stage)

    with pytest.raises(error, match=said):
        job.using(**option)  # type: ignore[arg-type]
    assert stage.jobs() == []
