"""What a job that does nothing costs a worker in a steady drain: limits a little over today's."""

from __future__ import annotations

import gc
import io
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

import pulpo
from tests.cost.counting import calls_in, kernel_calls_a_job
from tests.lab.beanstalkd import Beanstalkd

FEW, MANY = 2_000, 6_000

pytestmark = pytest.mark.usefixtures("strace")


@pytest.fixture(autouse=True)
def quiet(monkeypatch: pytest.MonkeyPatch) -> None:
    # A line for each job is written, only not onto the screen.
    monkeypatch.setattr(sys, "stderr", io.StringIO())


@contextmanager
def draining(url: str) -> Iterator[tuple[Callable[[int], None], Callable[[], None]]]:
    """Give a way to fill the queue, and one to drain it in this process."""
    with pulpo.Pulpo(url) as app:

        @app.job(type="noop")
        def noop(n: int) -> None: ...

        def fill(count: int) -> None:
            noop.delay_many([(number,) for number in range(count)])

        def drain() -> None:
            app.run_worker(burst=True)

        yield fill, drain


def calls_a_job(url: str) -> float:
    """Return how many Python functions are called for one job, in all threads of a worker.

    The least of three: on a busy machine batches are smaller, and each tick has calls of its own.
    """
    with draining(url) as (fill, drain):

        def counted(count: int) -> int:
            fill(count)
            return calls_in(drain)

        few, many = (min(counted(count) for _ in range(3)) for count in (FEW, MANY))
    return (many - few) / (MANY - FEW)


def test_a_job_of_beanstalkd_needs_no_round_trip_and_no_system_call_of_its_own(
    server: Beanstalkd, tmp_path: Path
) -> None:
    calls, moved = kernel_calls_a_job(tmp_path, server.url, "drain", few=FEW, many=MANY)

    # Publishing is in it: one flight for a thousand jobs.
    assert calls["sendto"] <= 0.05, "at least 20 jobs share a round trip"
    assert sum(calls.values()) <= 0.6
    # The job itself, `reserve-with-timeout 0`, `delete N`, and for publishing the job and `put`.
    assert moved["sendto"] <= 135
    assert moved["recvfrom"] <= 110
    assert calls_a_job(server.url) <= 53


def test_a_job_of_a_file_needs_no_transaction_of_its_own(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/queue.db?sync=normal"
    calls, moved = kernel_calls_a_job(tmp_path, url, "drain", few=FEW, many=MANY)

    assert calls.get("fdatasync", 0) + calls.get("fsync", 0) <= 0.01
    # Publishing is in it, and what is written again when the log goes into the file.
    assert sum(calls.values()) <= 2.0
    assert moved["pwrite64"] <= 3_500
    assert calls_a_job(url) <= 41


@pytest.mark.parametrize("engine", ["beanstalkd", "sqlite"])
def test_a_drained_job_leaves_nothing_in_memory(
    engine: str, server: Beanstalkd, tmp_path: Path
) -> None:
    url = server.url if engine == "beanstalkd" else f"sqlite:///{tmp_path}/queue.db?sync=normal"
    left = []
    with draining(url) as (fill, drain):
        for _ in range(3):
            fill(FEW)
            drain()
            sys.stderr = io.StringIO()  # its lines are no part of it
            gc.collect()
            left.append(sys.getallocatedblocks())

    assert left[2] - left[1] < FEW * 0.05, "blocks of memory that were not given back"
