"""Unique jobs and limits in a test: the real rules, asked in its thread and by its clock."""

from __future__ import annotations

import threading

import pytest

import pulpo
from pulpo import Limit, Pulpo, Unique
from pulpo.testing import TrialQueue

pytestmark = pytest.mark.usefixtures("no_sleep")


def test_a_second_job_of_the_same_values_is_the_first(app: Pulpo, queue: TrialQueue) -> None:
    @app.job(unique=Unique(by="user_id"))
    def export(user_id: int, format: str = "csv") -> None: ...

    first, second = export.delay(7), export.delay(7, format="pdf")

    assert (second.id, second.existing) == (first.id, True)
    queue.assert_published(export, times=1)
    assert queue.drain().succeeded == 1
    assert not export.delay(7).existing


def test_a_key_that_is_held_for_a_while_is_free_when_the_clock_has_moved(
    app: Pulpo, queue: TrialQueue
) -> None:
    @app.job(unique=Unique(until="10m"))
    def export() -> None: ...

    export.delay()
    queue.drain()
    queue.clock.advance("9m")
    assert export.delay().existing
    queue.clock.advance("2m")
    assert not export.delay().existing


def test_a_rate_gives_turns_by_the_clock(app: Pulpo, queue: TrialQueue) -> None:
    start, seen = queue.clock.monotonic(), []

    @app.job(limit=Limit(rate="6/min"))
    def text(n: int) -> None:
        seen.append((n, queue.clock.monotonic() - start))

    text.delay_many([(n,) for n in range(4)])
    runs = queue.drain()
    assert (runs.succeeded, runs.limited) == (1, 3)
    assert runs[1].reason.startswith("its turn at 6/min is in 10s")
    assert runs[1].attempt == 1
    runs = queue.worker.run_for("1m")

    assert seen == [(0, 0.0), (1, 10.0), (2, 20.0), (3, 30.0)]
    assert (runs.succeeded, runs.limited) == (3, 0)


def test_a_slot_is_free_for_the_next_job_when_the_last_one_is_over(
    app: Pulpo, queue: TrialQueue
) -> None:
    done = []

    @app.job(limit=Limit(concurrency=1, per="account"), backoff=0)
    async def charge(account: str, n: int) -> None:
        done.append((account, n))
        if pulpo.current_job().attempt == 1 and n == 1:
            raise ConnectionError

    charge.delay_many([("a", n) for n in range(3)] + [("b", 0)])
    runs = queue.drain()

    assert (runs.succeeded, runs.retried, runs.limited) == (4, 1, 0)
    assert done == [("a", 0), ("a", 1), ("a", 2), ("b", 0), ("a", 1)]


def test_who_finds_no_slot_is_woken_by_who_frees_it(app: Pulpo, queue: TrialQueue) -> None:
    done, inner = [], []

    @app.job(limit=Limit(concurrency=1))
    def charge(n: int) -> None:
        if n == 0:
            charge.delay(1)
            inner.extend(queue.drain())  # beside it: another worker meets the taken slot
        done.append(n)

    charge.delay(0)
    runs = queue.drain()

    assert [run.ending for run in inner] == ["limited"]
    assert inner[0].reason.startswith("its slot is taken")
    assert (runs.succeeded, done) == (2, [0, 1])


def test_limits_need_no_thread(app: Pulpo, queue: TrialQueue) -> None:
    before = set(threading.enumerate())

    @app.job(limit=Limit(concurrency=2, rate="100/s"))
    def job() -> None: ...

    job.delay()

    assert queue.drain().succeeded == 1
    assert set(threading.enumerate()) == before
    assert isinstance(queue.worker.perform(job.message()), pulpo.Success)


def test_a_rate_counts_for_jobs_that_run_inline(app: Pulpo, queue: TrialQueue) -> None:
    done = []

    @app.job(limit=Limit(rate="1/min"))
    def job(n: int) -> None:
        done.append(n)

    queue.run_inline()
    job.delay(1)
    job.delay(2)
    assert done == [1]
    queue.clock.advance("1m")
    assert done == [1, 2]
