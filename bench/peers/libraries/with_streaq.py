"""streaQ on Redis streams."""

from __future__ import annotations

from contextlib import AsyncExitStack

from streaq import Worker

from bench.peers import bodies, clearing
from bench.peers.producer import AsyncProducer

worker = Worker(redis_url=bodies.URL, **({"concurrency": 128} if bodies.TUNED else {}))
_options = {"ttl": 0, "silent": True} if bodies.TUNED else {}


@worker.task(**_options)
async def noop(number: int) -> None:
    await bodies.anoop(number)


@worker.task(**_options)
async def sleep(number: int) -> None:
    await bodies.asleep(number)


@worker.task(**_options)
async def slow(number: int) -> None:
    await bodies.aslow(number)


JOBS = {"noop": noop, "sleep": sleep, "slow": slow}
_open = AsyncExitStack()


async def _send(kind: str, number: int) -> None:
    await JOBS[kind].enqueue(number)


PRODUCER = AsyncProducer(
    send={kind: lambda number, kind=kind: _send(kind, number) for kind in JOBS},
    many=lambda kind, numbers: worker.enqueue_many([JOBS[kind].enqueue(n) for n in numbers]),
    empty=clearing.aflush_redis,
    open=lambda: _open.enter_async_context(worker),
    close=_open.aclose,
)
