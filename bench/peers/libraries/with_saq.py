"""SAQ on Redis."""

from __future__ import annotations

from saq import Queue

from bench.peers import bodies, clearing
from bench.peers.producer import AsyncProducer

queue = Queue.from_url(bodies.URL)
_options = {"ttl": -1} if bodies.TUNED else {}


async def noop(_: object, *, number: int) -> None:
    await bodies.anoop(number)


async def sleep(_: object, *, number: int) -> None:
    await bodies.asleep(number)


async def slow(_: object, *, number: int) -> None:
    await bodies.aslow(number)


plain = {"queue": queue, "functions": [noop, sleep, slow]}
tuned = {**plain, "concurrency": 50}

PRODUCER = AsyncProducer(
    send={
        kind: lambda number, kind=kind: queue.enqueue(kind, number=number, **_options)
        for kind in ("noop", "sleep", "slow")
    },
    empty=clearing.aflush_redis,
    open=queue.connect,
    close=queue.disconnect,
)
