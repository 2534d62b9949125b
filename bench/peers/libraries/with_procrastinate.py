"""Procrastinate on PostgreSQL."""

from __future__ import annotations

import psycopg
from procrastinate import App, PsycopgConnector

from bench.peers import bodies, clearing
from bench.peers.producer import AsyncProducer

app = App(connector=PsycopgConnector(conninfo=bodies.URL))

JOBS = {
    "noop": app.task(name="noop")(bodies.anoop),
    "sleep": app.task(name="sleep")(bodies.asleep),
    "slow": app.task(name="slow")(bodies.aslow),
}


async def _empty() -> None:
    async with await psycopg.AsyncConnection.connect(bodies.URL, autocommit=True) as connection:
        await connection.execute(clearing.NEW_SCHEMA)
    async with app.open_async():
        await app.schema_manager.apply_schema_async()


async def _open() -> None:
    await app.open_async()


PRODUCER = AsyncProducer(
    send={
        kind: lambda number, job=job: job.defer_async(number=number) for kind, job in JOBS.items()
    },
    many=lambda kind, numbers: JOBS[kind].batch_defer_async(*[{"number": n} for n in numbers]),
    empty=_empty,
    open=_open,
    close=app.close_async,
)
