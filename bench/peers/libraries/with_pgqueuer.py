"""PgQueuer on PostgreSQL. As a program it is a worker with batches of so many jobs."""

from __future__ import annotations

import asyncio
import sys

import asyncpg
from pgqueuer import PgQueuer
from pgqueuer.db import AsyncpgDriver
from pgqueuer.models import Job
from pgqueuer.queries import Queries

from bench.peers import bodies, clearing
from bench.peers.producer import AsyncProducer

JOBS = {"noop": bodies.anoop, "sleep": bodies.asleep, "slow": bodies.aslow}
connections: list[asyncpg.Connection] = []
_queries: list[Queries] = []


async def _empty() -> None:
    connection = await asyncpg.connect(bodies.URL)
    await connection.execute(clearing.NEW_SCHEMA)
    await Queries(AsyncpgDriver(connection)).install()
    await connection.close()


async def _open() -> None:
    connections.append(await asyncpg.connect(bodies.URL))
    _queries.append(Queries(AsyncpgDriver(connections[0])))


async def _close() -> None:
    await connections.pop().close()


async def _many(kind: str, numbers: range) -> None:
    count = len(numbers)
    await _queries[0].enqueue([kind] * count, [b"%d" % n for n in numbers], [0] * count)


PRODUCER = AsyncProducer(
    send={
        kind: lambda number, kind=kind: _queries[0].enqueue(kind, b"%d" % number) for kind in JOBS
    },
    many=_many,
    empty=_empty,
    open=_open,
    close=_close,
)


async def _work(*batch_size: int) -> None:
    # Not by its command: that of 1.6.0 falls over the version of its parser that comes with it.
    queuer = PgQueuer(AsyncpgDriver(await asyncpg.connect(bodies.URL)))
    for kind, body in JOBS.items():

        async def run(job: Job, body: object = body) -> None:
            await body(int(job.payload))  # type: ignore[operator]

        queuer.entrypoint(kind)(run)
    await queuer.run(**({"batch_size": batch_size[0]} if batch_size else {}))


if __name__ == "__main__":
    asyncio.run(_work(*map(int, sys.argv[1:])))
