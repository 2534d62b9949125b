"""A worker inside a program."""

from __future__ import annotations

import threading

import pytest

import pulpo
from pulpo.errors import UnknownOptionError, UsageError
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
