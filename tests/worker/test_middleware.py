"""Middleware and listeners in a worker: plain and async handlers, every outcome, every engine."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from typing import Any

import pytest

import pulpo
from pulpo.clock import SystemClock
from pulpo.codec import Codec
from pulpo.envelope import Envelope
from pulpo.events import Event
from pulpo.job import Job, JobState
from pulpo.registry import JobType
from pulpo.run import Run
from pulpo.worker.decide import Ending
from pulpo.worker.groups import GroupRow
from pulpo.worker.isolation import Isolation, Judgement
from tests.worker.stage import Stage

Step = Generator[None, Any, Any]


def test_a_handler_reads_what_a_middleware_sent_along(stage: Stage) -> None:
    seen: list[object] = []

    @stage.app.around("publish")
    def sends(message: pulpo.Message) -> Iterator[pulpo.Message]:
        yield message.with_headers({"tenant": "acme"})

    @stage.app.around("run")
    def reads(run: pulpo.Run) -> Iterator[None]:
        seen.append(run.headers["tenant"])
        yield

    @stage.app.job(type="t")
    def handler() -> None:
        seen.append(pulpo.current_job().headers["tenant"])

    handler.delay()
    stage.drain()

    assert seen == ["acme", "acme"]


@pytest.mark.parametrize("is_async", [False, True])
def test_it_goes_around_the_handler_in_its_thread_as_part_of_its_run(
    stage: Stage, is_async: bool
) -> None:
    seen: list[tuple[str, int]] = []

    def note(what: str) -> None:
        seen.append((f"{what} {pulpo.current_job().attempt}", threading.get_ident()))

    @stage.app.around("run")
    def noting(run: pulpo.Run) -> Step:
        note("in")
        try:
            yield
        finally:
            note("out")

    def plain() -> None:
        note("handler")
        raise ValueError("no")

    async def coroutine() -> None:
        plain()

    stage.app.job(type="t", backoff=0)(coroutine if is_async else plain)
    ref = stage.app.publish(pulpo.Message(type="t", body={}))
    stage.tick_until(lambda: stage.endings == ["retried"])

    assert [what for what, _ in seen[:3]] == ["in 1", "handler 1", "out 1"]
    assert len({thread for _, thread in seen}) == 1
    # What is told of the failure starts with the handler, as without middleware.
    story = stage.headers(ref.id)["errors"][0]
    assert story.splitlines()[1].endswith(("in plain", "in coroutine"))
    assert "noting" not in story


def test_its_error_is_retried_by_the_rules_of_the_job(stage: Stage) -> None:
    @stage.app.around("run")
    def broken(run: pulpo.Run) -> Iterator[None]:
        yield
        raise (LookupError if run.type == "final" else ValueError)("middleware")

    stage.app.job(type="t", fatal=LookupError)(lambda_free)
    stage.app.job(type="final", fatal=LookupError)(lambda_free)
    again = stage.app.publish(pulpo.Message(type="t", body={}))
    final = stage.app.publish(pulpo.Message(type="final", body={}))
    stage.drain()

    assert (stage.state(again.id), stage.state(final.id)) == ("delayed", "buried")
    assert "ValueError: middleware" in stage.headers(again.id)["errors"][0]


def lambda_free() -> None: ...


@pytest.mark.parametrize("is_async", [False, True])
def test_it_sees_the_end_of_the_time_of_a_run(is_async: bool) -> None:
    seen: list[str] = []
    with pulpo.Pulpo("memory://") as app:

        @app.around("run")
        def noting(run: pulpo.Run) -> Step:
            try:
                yield
            except BaseException as error:
                seen.append(type(error).__name__)
                raise

        def plain() -> None:
            while True:
                time.sleep(0.01)

        async def coroutine() -> None:
            await asyncio.sleep(60)

        app.job(type="t", timeout=0.2, retries=0)(coroutine if is_async else plain)
        ref = app.publish(pulpo.Message(type="t", body={}))
        app.run_worker(burst=True)
        (job,) = app.engine.admin().peek([ref.id])

        assert job is not None
        assert job.state is JobState.BURIED
        assert "timed out after 200ms" in app.codec.decode(job.body).errors[-1]
    assert seen == ["CancelledError" if is_async else "JobTimeoutError"]


class HostileError(Exception):
    """An error that raises wherever it is asked for something."""

    def __getattribute__(self, name: str) -> Any:
        raise RuntimeError(f"do not ask me for {name}")


def test_an_error_that_raises_when_it_is_touched_goes_through_it(stage: Stage) -> None:
    seen: list[type] = []

    @stage.app.around("run")
    def noting(run: pulpo.Run) -> Step:
        try:
            yield
        except BaseException as error:
            seen.append(type(error))
            raise

    stage.app.around("run", lambda_around)

    @stage.app.job(type="t", fatal=HostileError)
    def handler() -> None:
        raise HostileError

    ref = handler.delay()
    stage.drain()

    assert seen == [HostileError]
    assert stage.state(ref.id) == "buried"


def lambda_around(run: pulpo.Run) -> Iterator[None]:
    yield


def test_what_does_not_fit_bounces_before_any_middleware(stage: Stage) -> None:
    seen: list[object] = []

    @stage.app.around("run")
    def noting(run: pulpo.Run) -> Iterator[None]:
        seen.append(run)
        yield

    stage.app.job(type="t")(lambda_free)
    stage.app.publish(pulpo.Message(type="t", body={"unknown": 1}))
    stage.app.publish(pulpo.Message(type="nobody's", body={}))
    stage.tick_until(lambda: stage.endings == ["bounced", "bounced"])

    assert seen == []


OUTCOMES: dict[str, object] = {
    "success": None,
    "retried": pulpo.Retry(delay="1h", reason="later"),
    "snoozed": pulpo.Snooze("1h"),
    "cancelled": pulpo.Cancel("no need"),
    "buried": pulpo.Bury("no hope"),
}


@pytest.mark.parametrize("name", OUTCOMES)
def test_an_outcome_is_told_once_the_queue_has_confirmed_it(stage: Stage, name: str) -> None:
    heard: list[Event] = []
    everything: list[str] = []
    stage.app.on(name, heard.append)
    for other in set(OUTCOMES) | {"expired", "lost"}:
        stage.app.on(other, lambda event: everything.append(event.name))

    @stage.app.job(type="t", queue="mail")
    def handler() -> object:
        return OUTCOMES[name]

    ref = handler.using(headers={"tenant": "acme"}).delay()
    stage.tick_until(lambda: stage.endings == [name])
    assert stage.app.parts().listeners.flush(5)

    (event,) = heard
    assert (event.name, event.id, event.type, event.queue) == (name, ref.id, "t", "mail")
    assert (event.attempt, event.headers) == (1, {"tenant": "acme"})
    assert everything == [name]
    if name in ("retried", "buried"):
        assert event.error
        assert event.reason


def test_expired_and_lost_are_told(stage: Stage) -> None:
    heard: list[tuple[str, str]] = []
    for name in ("expired", "lost", "success"):
        stage.app.on(name, lambda event: heard.append((event.name, event.id)))
    stage.app.job(type="t")(lambda_free)
    old = stage.app.publish(pulpo.Message(type="t", body={}, expires="1s"))
    stage.clock.advance(5)
    gone = stage.app.publish(pulpo.Message(type="t", body={}))
    stage.adapter.answer = lambda settlement: False if settlement.job.id == gone.id else None
    stage.tick_until(lambda: len(stage.endings) == 2)
    assert stage.app.parts().listeners.flush(5)

    assert sorted(heard) == [("expired", old.id), ("lost", gone.id)]


def test_what_the_queue_has_not_confirmed_is_told_later(stage: Stage) -> None:
    heard: list[Event] = []
    stage.app.on("success", heard.append)
    stage.app.job(type="t")(lambda_free)
    stage.app.publish(pulpo.Message(type="t", body={}))
    stage.adapter.answer = lambda settlement: pulpo.QueueError("no answer")
    stage.tick_until(lambda: any(stage.adapter.offered[-1:]))
    assert stage.app.parts().listeners.flush(5)
    assert heard == []

    stage.adapter.answer = None
    stage.tick_until(lambda: stage.endings == ["success"])

    assert stage.app.parts().listeners.flush(5)
    assert len(heard) == 1


def test_a_listener_that_hangs_does_not_hold_up_the_worker(stage: Stage) -> None:
    going_on = threading.Event()
    stage.app.on("success", lambda event: going_on.wait(30))
    stage.app.job(type="t")(lambda_free)
    for _ in range(50):
        stage.app.publish(pulpo.Message(type="t", body={}))
    stage.drain()
    going_on.set()

    assert stage.endings == ["success"] * 50


def test_a_burst_returns_when_its_listeners_have_heard_everything() -> None:
    with pulpo.Pulpo("memory://") as app:
        heard: list[str] = []
        app.on("success", lambda event: heard.append(event.id))
        app.job(type="t")(lambda_free)
        ids = [app.publish(pulpo.Message(type="t", body={})).id for _ in range(20)]
        app.run_worker(burst=True)

        assert sorted(heard) == sorted(ids)


TASKS = """
import sys
import pulpo

@pulpo.around("publish")
def sends(message):
    yield message.with_headers({"from": "middleware"})

@pulpo.around("run")
def around(run):
    print("in", run.type, run.headers["from"], file=sys.stderr)
    try:
        yield
    finally:
        print("out", run.type, file=sys.stderr)

@pulpo.on("buried")
def note(event):
    with open("buried.txt", "a") as file:
        print(event.id, event.reason, file=file)

@pulpo.job(type="plain")
def plain(): ...

@pulpo.job(type="async")
async def coroutine(): ...

@pulpo.job(type="bad", fatal=ValueError)
def bad():
    raise ValueError("never")

if __name__ == "__main__":
    plain.delay()
    coroutine.delay()
    print(bad.delay().id)
"""


@pytest.mark.parametrize("engine", ["sqlite", "beanstalkd"])
def test_a_real_worker_calls_middleware_and_listeners(
    engine: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    (tmp_path / "tasks.py").write_text(TASKS)
    url = "sqlite:///queue.db"
    if engine == "beanstalkd":
        url = request.getfixturevalue("beanstalkd").url

    def call(*command: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, *command],
            cwd=tmp_path,
            env={"PULPO_URL": url, "PATH": ""},
            capture_output=True,
            text=True,
            timeout=60,
            check=True,
        )

    buried = call("tasks.py").stdout.strip()
    told = call("-m", "pulpo", "worker", "tasks", "--burst", "--processes", "1").stderr

    for type in ("plain", "async", "bad"):
        assert f"in {type} middleware" in told
        assert f"out {type}" in told
    assert (tmp_path / "buried.txt").read_text() == f"{buried} ValueError: never\n"


def test_a_suspect_runs_with_its_middleware_in_its_own_process(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "suspicious.py").write_text(
        "import os, pulpo\n"
        "@pulpo.around('run')\n"
        "def around(run):\n"
        "    yield\n"
        "    return pulpo.Bury(f'{run.type} in {os.getpid()}')\n"
        "@pulpo.job(type='t')\n"
        "def t(): ...\n"
    )
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("PULPO_URL", raising=False)
    command = (sys.executable, "-m", "pulpo", "sandbox", "text", "suspicious")
    isolation = Isolation(command, SystemClock(), GroupRow.alone(8))
    envelope = Envelope({"type": "t", "id": "s-1"}, {})
    job = Job(number=1, body=Codec().encode(envelope.headers, envelope.body), queue="default")
    run = Run(job, envelope, JobType(type="t", bind=lambda run: lambda: None))
    isolation.take(run, 0.0)
    call: Callable[[], object] | None = run.call
    assert call is not None

    judgement = call()
    (box,) = isolation._all
    isolation.end()

    assert isinstance(judgement, Judgement)
    assert judgement.verdict.ending is Ending.BURIED
    assert judgement.verdict.reason == f"t in {box._process.pid}"
