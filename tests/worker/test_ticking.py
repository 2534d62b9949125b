"""The thread of a worker that publishes what is due; in a program's own process."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

import pulpo
from pulpo.side import side_of
from pulpo.telling.schedules import read_keepers, read_outcomes, read_schedules
from pulpo.worker import ticking
from tests.worker.stage import until


@pytest.fixture
def app(tmp_path: Path) -> Iterator[pulpo.Pulpo]:
    with pulpo.Pulpo(f"sqlite:///{tmp_path}/queue.db?sync=normal") as app:
        yield app


def threads() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name == "pulpo-schedules"]


def test_a_worker_with_schedules_publishes_runs_and_tells_the_outcome(app: pulpo.Pulpo) -> None:
    ran = threading.Semaphore(0)

    @app.job(type="beat", every="1s")
    def beat() -> pulpo.Cancel:
        ran.release()
        return pulpo.Cancel("enough")

    store = side_of(app.engine)
    assert store is not None
    with closing(store):
        with app.start_worker(threads=2):
            for _ in range(2):
                assert ran.acquire(timeout=10)
            until(lambda: read_outcomes(store), "an outcome")
            (keeper,) = read_keepers(store)
            assert list(keeper.schedules) == ["beat"]
            assert threads() == ["pulpo-schedules"]

        outcome = read_outcomes(store)["beat"]
        assert (outcome.outcome, outcome.reason) == ("cancelled", "enough")
        assert outcome.tick is not None
        assert outcome.tick % 1 == 0
        assert read_keepers(store) == ()
        assert read_schedules(store)["beat"].published >= 2
    assert threads() == []


def test_a_worker_without_schedules_has_no_thread_for_them(app: pulpo.Pulpo) -> None:
    @app.job(type="work")
    def work() -> None: ...

    with app.start_worker(threads=1):
        assert threads() == []


def test_a_job_that_nobody_scheduled_leaves_no_outcome(app: pulpo.Pulpo) -> None:
    done = threading.Event()

    @app.job(type="work", every="300d")
    def work() -> None:
        done.set()

    with app.start_worker(threads=1):
        work.delay()
        assert done.wait(10)
        until(lambda: not app.engine.admin().list(), "the queue is empty")

    store = side_of(app.engine)
    assert store is not None
    with closing(store):
        assert read_outcomes(store) == {}


def test_without_room_for_a_thread_the_work_goes_on(
    app: pulpo.Pulpo, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    done = threading.Event()

    @app.job(type="work", every="300d")
    def work() -> None:
        done.set()

    start = threading.Thread.start

    def no_room(thread: threading.Thread) -> None:
        if thread.name == "pulpo-schedules":
            raise RuntimeError("can't start new thread")
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", no_room)
    work.delay()
    with app.start_worker(threads=1):
        assert done.wait(10)

    assert "this process keeps no schedules: can't start new thread" in capsys.readouterr().err


def test_it_sleeps_until_the_next_tick_and_no_longer_than_a_clock_may_jump(
    app: pulpo.Pulpo,
) -> None:
    app.schedule("x", every="1h")
    clock = pulpo.app.SystemClock()
    found = ticking.Ticking.of(app.parts(), _settings(), clock)
    assert found is not None

    now = clock.wall()
    assert found._pause(now + 3_600) == ticking.LONGEST
    assert 1.9 < found._pause(now + 2) <= 2 + ticking.SPREAD
    assert found._pause(now - 9) <= ticking.SPREAD
    assert found._pause(None) == ticking.LONGEST
    found.stop()


def _settings():
    from pulpo.worker.settings import WorkerSettings

    return WorkerSettings()
