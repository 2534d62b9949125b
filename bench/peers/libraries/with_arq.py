"""arq; it reads its settings from a class."""

from __future__ import annotations

from arq import create_pool
from arq.connections import ArqRedis, RedisSettings

from bench.peers import bodies, clearing
from bench.peers.producer import AsyncProducer


async def noop(_: object, number: int) -> None:
    await bodies.anoop(number)


async def sleep(_: object, number: int) -> None:
    await bodies.asleep(number)


async def slow(_: object, number: int) -> None:
    await bodies.aslow(number)


class Plain:
    functions = (noop, sleep, slow)
    redis_settings = RedisSettings.from_dsn(bodies.URL)


class Tuned:  # no subclass: arq looks into the class itself only
    functions = (noop, sleep, slow)
    redis_settings = RedisSettings.from_dsn(bodies.URL)
    max_jobs = 200
    poll_delay = 0.01
    keep_result = 0
    log_results = False


pools: list[ArqRedis] = []


async def _open() -> None:
    pools.append(await create_pool(Plain.redis_settings))


async def _close() -> None:
    await pools.pop().aclose()


PRODUCER = AsyncProducer(
    send={
        kind: lambda number, kind=kind: pools[0].enqueue_job(kind, number)
        for kind in ("noop", "sleep", "slow")
    },
    empty=clearing.aflush_redis,
    open=_open,
    close=_close,
)
