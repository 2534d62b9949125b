"""A lifespan for real FastAPI and Starlette applications."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from fastapi import FastAPI
from starlette.applications import Starlette

import pulpo
from pulpo.contrib.starlette import lifespan
from tests.lab.processes import until

DONE: list[int] = []


@pytest.fixture
def app() -> Iterator[pulpo.Pulpo]:
    DONE.clear()
    with pulpo.Pulpo("memory://") as made:
        yield made


def note(number: int) -> None:
    DONE.append(number)


async def served(web: Any, work: Any) -> None:
    """Do something while an application lives, as a server would let it."""
    said: asyncio.Queue[Any] = asyncio.Queue()
    answers: asyncio.Queue[Any] = asyncio.Queue()
    running = asyncio.create_task(web({"type": "lifespan"}, said.get, answers.put))
    await said.put({"type": "lifespan.startup"})
    answer = await answers.get()
    if answer["type"] != "lifespan.startup.complete":
        await running
        raise AssertionError(answer)
    await work()
    await said.put({"type": "lifespan.shutdown"})
    assert (await answers.get())["type"] == "lifespan.shutdown.complete"
    await running


@pytest.mark.parametrize("make", [FastAPI, Starlette])
def test_a_worker_lives_as_long_as_the_application(app: pulpo.Pulpo, make: Any) -> None:
    job = app.job(note)
    web = make(lifespan=lifespan(app=app, worker=True, threads=2, side=False))

    async def work() -> None:
        await job.adelay(7)
        await asyncio.to_thread(until, lambda: DONE == [7], "the job")

    asyncio.run(served(web, work))
    job.delay(8)
    assert DONE == [7]


def test_without_a_worker_jobs_wait(app: pulpo.Pulpo) -> None:
    job = app.job(note)

    async def work() -> None:
        await job.adelay(7)

    asyncio.run(served(FastAPI(lifespan=lifespan(app=app)), work))

    assert DONE == []
    assert len(app.engine.admin().list()) == 1


def test_a_lifespan_of_ones_own_goes_inside(app: pulpo.Pulpo) -> None:
    seen: list[str] = []

    @asynccontextmanager
    async def own(web: object) -> AsyncIterator[dict[str, int]]:
        seen.append("in")
        yield {"answer": 42}
        seen.append("out")

    around = lifespan(own, app=app)

    async def main() -> None:
        async with around(object()) as state:
            assert state == {"answer": 42}
            assert seen == ["in"]

    asyncio.run(main())
    assert seen == ["in", "out"]


def test_a_wrong_url_stops_the_start(monkeypatch: pytest.MonkeyPatch) -> None:
    app = pulpo.Pulpo("memory://", decide_later=True)
    monkeypatch.setenv("PULPO_URL", "redis://x")

    async def main() -> None:
        async with lifespan(app=app)(object()):
            pass

    with pytest.raises(pulpo.ConfigurationError, match="redis"):
        asyncio.run(main())


def test_limits_are_those_of_a_worker() -> None:
    with pytest.raises(pulpo.UsageError, match="threads"):
        lifespan(threads=2)
