"""Jobs that run inline run where they are published, by the real rules."""

from __future__ import annotations

import asyncio
import threading
from datetime import datetime

import pytest

import pulpo
from pulpo import Pulpo
from pulpo.testing import TrialQueue

pytestmark = pytest.mark.usefixtures("no_sleep")


@pytest.fixture
def inline(queue: TrialQueue) -> TrialQueue:
    queue.run_inline()
    return queue


def test_a_job_has_run_when_the_publisher_goes_on(app: Pulpo, inline: TrialQueue) -> None:
    done = []

    @app.job
    def job(n: object) -> None:
        done.append(n)

    job.delay((1, 2))
    assert done == [[1, 2]]  # as it travels
    job.delay_many([(1,), (2,)])
    assert done == [[1, 2], 1, 2]
    assert inline.jobs() == []
    inline.assert_published(job, args=((1, 2),))


def test_what_cannot_travel_is_refused(app: Pulpo, inline: TrialQueue) -> None:
    @app.job
    def job(n: object) -> None: ...

    with pytest.raises(pulpo.EncodeError):
        job.delay(object())
    with pytest.raises(TypeError):
        job.delay()  # type: ignore[call-arg]


def test_what_a_handler_raises_is_raised_where_it_was_published(
    app: Pulpo, inline: TrialQueue
) -> None:
    @app.job(type="t", fatal=(KeyError,))
    def job(error: str) -> None:
        raise {"retried": ValueError, "buried": KeyError}[error]("no")

    with pytest.raises(ValueError, match="no") as caught:
        job.delay("retried")
    assert "retried: again in 16s: ValueError: no" in caught.value.__notes__[0]
    assert caught.traceback[-1].name == "job"
    with pytest.raises(KeyError):
        job.delay("buried")
    assert sorted(job.state for job in inline.jobs()) == ["buried", "delayed"]


def test_several_failures_are_told_with_the_first(app: Pulpo, inline: TrialQueue) -> None:
    @app.job(type="t")
    def job(n: int) -> None:
        raise ValueError(n)

    with pytest.raises(ValueError, match="1") as caught:
        job.delay_many([(1,), (2,)])
    assert [note.rsplit(": ")[-1] for note in caught.value.__notes__] == ["1", "2"]


def test_a_retry_runs_when_the_clock_comes_to_it_and_a_mended_job_raises_nothing(
    app: Pulpo, inline: TrialQueue
) -> None:
    runs = []

    @app.job
    def job() -> None:
        runs.append(pulpo.current_job().attempt)
        if len(runs) < 3:
            raise ConnectionError("down")

    with pytest.raises(ConnectionError):
        job.delay()
    with pytest.raises(ConnectionError):
        inline.clock.advance("16s")
    inline.clock.advance("1h")

    assert runs == [1, 2, 3]
    assert inline.jobs() == []


def test_a_retry_without_a_delay_runs_at_once(app: Pulpo, inline: TrialQueue) -> None:
    runs = []

    @app.job(backoff=0)
    def job() -> None:
        runs.append(pulpo.current_job().attempt)
        if len(runs) < 3:
            raise ConnectionError("down")

    job.delay()

    assert runs == [1, 2, 3]


def test_a_delayed_job_runs_at_its_moment(app: Pulpo, inline: TrialQueue) -> None:
    seen: list[datetime] = []

    @app.job
    def job() -> None:
        seen.append(inline.clock.now)
        if len(seen) < 3:
            job.schedule_in("1d")

    start = inline.clock.now
    job.schedule_in("1d")
    assert seen == []
    inline.clock.advance("1w")

    assert [(moment - start).days for moment in seen] == [1, 2, 3]


def test_a_handler_may_move_the_clock(app: Pulpo, inline: TrialQueue) -> None:
    @app.job
    def job() -> None:
        inline.clock.advance("5m")

    before = inline.clock.now
    job.delay()

    assert (inline.clock.now - before).total_seconds() == 300.0


def test_what_a_handler_publishes_runs_after_it(app: Pulpo, inline: TrialQueue) -> None:
    order = []

    @app.job
    def inner() -> None:
        order.append("inner")
        raise ValueError("inner")

    @app.job
    def outer() -> None:
        inner.delay()
        order.append("outer goes on")

    with pytest.raises(ValueError, match="inner"):
        outer.delay()
    assert order == ["outer goes on", "inner"]


def test_many_threads_publish_and_nothing_is_left(app: Pulpo, inline: TrialQueue) -> None:
    done = []

    @app.job
    def job(n: int) -> None:
        done.append(n)

    def publish(start: int) -> None:
        for n in range(start, start + 20):
            job.delay(n)

    threads = [threading.Thread(target=publish, args=(20 * n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(done) == list(range(80))
    assert inline.jobs() == []


def test_an_async_job_runs_on_the_loop_of_an_async_test(app: Pulpo, inline: TrialQueue) -> None:
    loops = []

    @app.job
    async def job() -> None:
        await asyncio.sleep(0)
        loops.append(asyncio.get_running_loop())

    @app.job
    async def failing() -> None:
        raise ValueError("no")

    async def main() -> asyncio.AbstractEventLoop:
        await job.adelay()
        with pytest.raises(ValueError, match="no"):
            await failing.adelay()
        job.delay()  # who does not await it cannot have it on its own loop
        return asyncio.get_running_loop()

    loop = asyncio.run(main())

    assert [each is loop for each in loops] == [True, False]
