"""Chancy on PostgreSQL; plain functions in its default executor, coroutines where it is tuned."""

from __future__ import annotations

from contextlib import AsyncExitStack

import psycopg
from chancy import Chancy, Queue, job

from bench.peers import bodies, clearing
from bench.peers.producer import AsyncProducer

app = Chancy(bodies.URL)
if bodies.TUNED:
    queue = Queue(
        "default",
        concurrency=200,
        executor=Chancy.Executor.Async,
        polling_interval=1,
        eager_polling=True,
    )
else:
    queue = Queue("default")


@job(queue="default")
def noop(*, number: int) -> None:
    bodies.noop(number)


@job(queue="default")
def sleep(*, number: int) -> None:
    bodies.sleep(number)


@job(queue="default")
def slow(*, number: int) -> None:
    bodies.slow(number)


@job(queue="default")
async def anoop(*, number: int) -> None:
    await bodies.anoop(number)


@job(queue="default")
async def asleep(*, number: int) -> None:
    await bodies.asleep(number)


@job(queue="default")
async def aslow(*, number: int) -> None:
    await bodies.aslow(number)


if bodies.TUNED:
    JOBS = {"noop": anoop, "sleep": asleep, "slow": aslow}
else:
    JOBS = {"noop": noop, "sleep": sleep, "slow": slow}
_open = AsyncExitStack()


async def _empty() -> None:
    async with await psycopg.AsyncConnection.connect(bodies.URL, autocommit=True) as connection:
        await connection.execute(clearing.NEW_SCHEMA)
    async with app:
        await app.migrate()
        await app.declare(queue)


async def _many(kind: str, numbers: range) -> None:
    async for _ in app.push_many([JOBS[kind].job.with_kwargs(number=n) for n in numbers]):
        pass


PRODUCER = AsyncProducer(
    send={
        kind: lambda number, function=function: app.push(function.job.with_kwargs(number=number))
        for kind, function in JOBS.items()
    },
    many=_many,
    empty=_empty,
    open=lambda: _open.enter_async_context(app),
    close=_open.aclose,
)
