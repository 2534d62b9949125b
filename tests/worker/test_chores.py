"""The thread beside the loop: that it tells, shows and ends, and that it never keeps the loop."""

from __future__ import annotations

import io
import json
import os
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

import pulpo
from pulpo.side import side_of
from pulpo.telling import SeenWorker, read_minutes, read_workers
from pulpo.worker import chores as chores_module
from tests.worker.stage import until


@pytest.fixture
def app(tmp_path: Path) -> Iterator[pulpo.Pulpo]:
    with pulpo.Pulpo(f"sqlite:///{tmp_path}/queue.db?sync=normal") as app:
        yield app


def seen(app: pulpo.Pulpo) -> tuple[SeenWorker, ...]:
    store = side_of(app.engine)
    assert store is not None
    with closing(store):
        return read_workers(store)


def counted(app: pulpo.Pulpo) -> dict[str, int]:
    store = side_of(app.engine)
    assert store is not None
    with closing(store):
        return {count.outcome: count.jobs for count in read_minutes(store, since=0)}


def threads() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name == "pulpo-chores"]


def test_an_embedded_worker_tells_who_it_is_until_it_stops(app: pulpo.Pulpo) -> None:
    gate = threading.Event()

    @app.job(type="gated")
    def gated() -> None:
        gate.wait()

    gated.delay()
    with app.start_worker(threads=2):
        until(lambda: [job for worker in seen(app) for job in worker.running], "a word of the job")
        (worker,) = seen(app)
        gate.set()

    assert (worker.pid, worker.worker) == (os.getpid(), os.getpid())
    assert (worker.threads, worker.types, worker.running[0].type) == (2, ("gated",), "gated")
    assert seen(app) == ()
    assert counted(app) == {"success": 1}
    assert threads() == []


def test_what_a_burst_has_done_is_counted(app: pulpo.Pulpo) -> None:
    @app.job(type="work", backoff=0, retries=1)
    def work(n: int) -> pulpo.Outcome | None:
        if n == 1:
            raise ValueError(n)
        return pulpo.Cancel("no need") if n == 2 else None

    work.delay_many([(0,), (1,), (2,)])
    work.using(expires=0.01).delay(3)
    time.sleep(0.02)
    app.run_worker(burst=True)

    assert counted(app) == {"success": 1, "retried": 1, "buried": 1, "cancelled": 1, "expired": 1}


def test_it_tells_nothing_where_that_is_not_wanted(app: pulpo.Pulpo) -> None:
    @app.job(type="work")
    def work() -> None:
        assert threads() == []

    work.delay()
    app.run_worker(burst=True, side=False)

    assert counted(app) == {}


def test_a_store_that_hangs_keeps_neither_jobs_nor_the_end(
    app: pulpo.Pulpo, monkeypatch: pytest.MonkeyPatch
) -> None:
    hanging, gate = threading.Event(), threading.Event()

    def hang(engine: object) -> None:
        hanging.set()
        gate.wait()

    monkeypatch.setattr(chores_module, "side_of", hang)
    monkeypatch.setattr(chores_module, "LAST_CHORES", 0.05)

    @app.job(type="work")
    def work() -> None: ...

    worker = app.start_worker()
    assert hanging.wait(10)
    work.delay_many([()] * 100)
    with closing(app.engine.admin()) as admin:
        until(lambda: admin.stats("default").ready + admin.stats("default").reserved == 0)
    begun = time.monotonic()
    assert worker.stop()
    gate.set()

    assert time.monotonic() - begun < 5.0
    until(lambda: threads() == [])


def test_without_room_for_a_thread_the_work_goes_on(
    app: pulpo.Pulpo, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    start = threading.Thread.start

    def refuse(thread: threading.Thread) -> None:
        if thread.name == "pulpo-chores":
            raise RuntimeError("can't start new thread")
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", refuse)
    ran = []

    @app.job(type="work")
    def work() -> None:
        ran.append(1)

    work.delay()
    app.run_worker(burst=True)

    assert ran == [1]
    assert "nothing is told of this worker: can't start new thread" in capsys.readouterr().err


def test_it_shows_what_runs_when_it_is_asked(
    app: pulpo.Pulpo, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[chores_module.Chores] = []
    of = chores_module.Chores.of

    def note(*arguments: Any, **named: Any) -> chores_module.Chores:
        made.append(of(*arguments, **named))
        return made[-1]

    monkeypatch.setattr(chores_module.Chores, "of", note)
    monkeypatch.setattr(sys, "stderr", io.StringIO())
    gate, begun = threading.Event(), threading.Event()

    @app.job(type="gated")
    def gated() -> None:
        begun.set()
        gate.wait()

    ref = gated.delay()
    with app.start_worker(log_format="json"):
        assert begun.wait(10)
        made[0].show()
        until(lambda: '"running"' in sys.stderr.getvalue(), "a stack")  # type: ignore[attr-defined]
        gate.set()
    lines = [json.loads(line) for line in sys.stderr.getvalue().splitlines()]  # type: ignore[attr-defined]
    (slots,) = [line for line in lines if line["event"] == "slots"]
    (running,) = [line for line in lines if line["event"] == "running"]

    assert (slots["pid"], slots["busy"]) == (os.getpid(), 1)
    assert (running["slot"], running["type"], running["id"]) == ("thread-1", "gated", ref.id)
    assert "gate.wait()" in running["stack"]
