"""A worker inside a program."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

import pulpo
from pulpo.errors import (
    QueueUnavailableError,
    QueueUnusableError,
    UnknownOptionError,
    UsageError,
)
from tests.worker.stage import until


@pytest.fixture
def app() -> pulpo.Pulpo:
    return pulpo.Pulpo("memory://")


def test_a_burst_runs_what_is_ready_and_returns(app: pulpo.Pulpo) -> None:
    done: list[int] = []

    @app.job(type="add")
    def add(n: int) -> None:
        done.append(n)

    add.delay_many([(n,) for n in range(20)])

    assert app.run_worker(burst=True)
    assert sorted(done) == list(range(20))
    app.close()


def test_a_worker_beside_the_program_stops_with_its_block(app: pulpo.Pulpo) -> None:
    done = threading.Event()

    @app.job(type="note")
    def note() -> None:
        done.set()

    with app.start_worker(threads=2, grace="5s"):
        note.delay()
        assert done.wait(10)
        until(lambda: not app.engine.admin().list(), "the queue is empty")
    names = [thread.name for thread in threading.enumerate()]
    assert "pulpo-worker" not in names
    app.close()


@pytest.mark.parametrize(
    ("limits", "error", "said"),
    [
        ({"thread": 3}, UnknownOptionError, "did you mean 'threads'"),
        ({"threads": 0}, UsageError, "threads must be 1 or more: 0"),
        ({"threads": "8"}, TypeError, "threads must be a whole number: '8'"),
        ({"queues": ["a b"]}, UsageError, "'a b'"),
        ({"queues": "mail"}, TypeError, r"like \['mail'\]: 'mail'"),
        ({"queues": 7}, TypeError, "queues must be a list of names"),
        ({"grace": "soon"}, UsageError, "'soon'"),
        ({"log_format": "xml"}, UsageError, "'xml'"),
    ],
)
def test_a_wrong_limit_is_refused_by_its_name(
    app: pulpo.Pulpo, limits: dict[str, object], error: type[Exception], said: str
) -> None:
    with pytest.raises(error, match=said):
        app.run_worker(burst=True, **limits)  # type: ignore[arg-type]
    app.close()


class Broken:
    """An engine that cannot open a door."""

    def adapter(self, **_: object) -> object:
        raise QueueUnavailableError("no door here")


@pytest.mark.parametrize("verb", ["run_worker", "start_worker"])
def test_a_queue_that_cannot_be_opened_is_an_error_in_the_program(
    app: pulpo.Pulpo, monkeypatch: pytest.MonkeyPatch, verb: str
) -> None:
    monkeypatch.setattr(pulpo.Pulpo, "engine", Broken())

    with pytest.raises(QueueUnavailableError, match="no door here"):
        getattr(app, verb)()


def test_a_burst_on_a_queue_out_of_reach_is_an_error_in_the_program() -> None:
    with (
        pulpo.Pulpo("beanstalkd://127.0.0.1:1") as app,
        pytest.raises(QueueUnavailableError, match=r"127\.0\.0\.1:1"),
    ):
        app.run_worker(burst=True)


def test_a_worker_that_ended_by_an_error_says_so_when_it_is_stopped(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "queue.db"
    path.write_bytes(b"my precious notes, " * 100)
    path.chmod(0o600)

    with pulpo.Pulpo(f"sqlite:///{path}") as app:
        worker = app.start_worker()
        until(lambda: worker._over.is_set(), "its end")
        with pytest.raises(QueueUnusableError, match="not a SQLite file"):
            worker.stop()

    assert "QueueUnusableError: not a SQLite file" in capsys.readouterr().err


def test_a_handler_that_outlasts_the_grace_keeps_its_job_until_it_ends(
    tmp_path: Path,
) -> None:
    begun, go = threading.Event(), threading.Event()
    with pulpo.Pulpo(f"sqlite:///{tmp_path}/queue.db") as app:

        @app.job(type="slow")
        def slow() -> None:
            begun.set()
            go.wait(30)

        ref = slow.delay()
        worker = app.start_worker(grace=0)
        assert begun.wait(10)
        begun.clear()

        assert not worker.stop()
        # Another worker of this queue finds nothing to run: no second run beside the first.
        assert app.run_worker(burst=True)
        assert not begun.is_set()
        (job,) = app.engine.admin().peek([ref.id])
        assert job is not None
        assert job.state.value == "reserved"

        go.set()
        until(lambda: app.engine.admin().peek([ref.id]) == [None], "its settlement")
        assert worker._thread is not None
        worker._thread.join(10)
        assert not worker._thread.is_alive()


def test_coroutines_that_outlast_the_grace_go_back(app: pulpo.Pulpo) -> None:
    begun = threading.Event()

    @app.job(type="sleeps", retries=0)
    async def sleeps() -> None:
        begun.set()
        await asyncio.sleep(600)

    ref = sleeps.delay()
    with app.start_worker(grace=0) as worker:
        assert begun.wait(10)
        assert worker.stop()

    (job,) = app.engine.admin().peek([ref.id])
    assert job is not None
    assert job.state.value == "ready"
    app.close()


INTERRUPTED = """
import os, sys, time
import pulpo

def say(text):
    os.write(1, text.encode() + b"\\n")  # in one piece

app = pulpo.Pulpo(sys.argv[1])

@app.job(type="note")
def note(n: int) -> None:
    say(f"begun {n}")
    time.sleep(0.5)
    say(f"done {n}")

note.delay_many([(n,) for n in range(100)])
try:
    app.run_worker(threads=2, grace="20s")
except KeyboardInterrupt:
    say("interrupted")
app.close()
"""


def test_an_interrupt_lets_what_runs_finish_and_begins_nothing_more(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/queue.db"
    with subprocess.Popen(
        [sys.executable, "-c", INTERRUPTED, url], stdout=subprocess.PIPE, text=True
    ) as program:
        assert program.stdout is not None
        said = [program.stdout.readline() for _ in range(2)]
        program.send_signal(signal.SIGINT)
        said += program.stdout.readlines()

    words = [line.split()[0] for line in said]
    assert words.count("begun") == words.count("done") <= 4
    assert words[-1] == "interrupted"
    with pulpo.Pulpo(url) as app:
        jobs = app.engine.admin().list(limit=200)
        assert {job.state.value for job in jobs} == {"ready"}
        assert len(jobs) == 100 - words.count("done")
