"""Async tests: the handlers of coroutines run on the loop of the test."""

from __future__ import annotations

import asyncio
from contextvars import ContextVar
from datetime import timedelta

import pytest

import pulpo
from pulpo import Pulpo
from pulpo.testing import TrialQueue, adrain, aperform, aperform_attempt

pytestmark = pytest.mark.usefixtures("no_sleep")
TENANT: ContextVar[str] = ContextVar("tenant", default="nobody")


def test_a_job_is_published_and_run_on_the_loop_of_the_test(app: Pulpo, queue: TrialQueue) -> None:
    async def main() -> None:
        gate = asyncio.Event()

        @app.job
        async def job(n: int) -> None:
            await gate.wait()  # bound to this loop
            assert pulpo.current_job().attempt == 1

        @app.job
        def plain() -> None: ...

        gate.set()
        await job.adelay(1)
        await job.adelay_many([(2,), (3,)])
        await job.aschedule_in("1h", 4)
        await plain.adelay()
        runs = await adrain()
        assert runs.succeeded == 4, runs
        with pytest.raises(pulpo.UsageError):
            pulpo.current_job()
        assert (await queue.worker.arun_for("2h")).succeeded == 1

    asyncio.run(main())


def test_handlers_see_the_context_of_the_test(app: Pulpo, queue: TrialQueue) -> None:
    seen = []

    @app.job
    async def job() -> None:
        seen.append(TENANT.get())

    async def main() -> None:
        TENANT.set("acme")
        await job.adelay()
        await queue.worker.arun(at_most=1)
        job.delay()
        queue.drain()  # not awaited: beside the loop, in the same context

    asyncio.run(main())

    assert seen == ["acme", "acme"]


def test_one_job_can_be_performed(app: Pulpo, queue: TrialQueue) -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()

        @app.job
        async def job(n: int) -> object:
            assert asyncio.get_running_loop() is loop
            if n < 0:
                raise ValueError(n)
            return n

        assert await aperform(job, 7) == pulpo.Success(7)
        assert await aperform_attempt(3, job, -1) == pulpo.Retry(96.0, "ValueError: -1")

    asyncio.run(main())


def test_a_test_that_is_cancelled_is_cancelled(app: Pulpo, queue: TrialQueue) -> None:
    @app.job
    async def job() -> None:
        await asyncio.Event().wait()

    async def main() -> None:
        await job.adelay()
        async with asyncio.timeout(0.01):
            await adrain()

    with pytest.raises(TimeoutError):
        asyncio.run(main())


def test_time_passes_in_an_async_test(app: Pulpo, queue: TrialQueue) -> None:
    moments = []

    @app.job
    async def job() -> None:
        moments.append(queue.clock.now)

    start = queue.clock.now

    async def main() -> None:
        await job.aschedule_at(start + timedelta(hours=3))
        await queue.worker.arun_for("1d")

    asyncio.run(main())

    assert moments == [start + timedelta(hours=3)]
