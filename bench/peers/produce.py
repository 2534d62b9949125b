"""Publishes for a library, in its environment: `python -m bench.peers.produce MODULE HOW KIND A N`.

HOW is `empty` (make the queue anew), `each` (one by one), `together` (100 calls at once, asyncio
only), `many` (1,000 a call) or `latency` (into an idle worker, each after the one before has
started). Prints one JSON object: the nanoseconds before and after, or the latencies.
"""

from __future__ import annotations

import asyncio
import json
import random
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from importlib import import_module

from bench.jobs import marks
from bench.peers.producer import AsyncProducer, SyncProducer

__all__: list[str] = []

CHUNK, TOGETHER = 1000, 100
_LATENCY_SECONDS = 60.0  # a library that polls once a second is not asked 500 times
_POLL = 0.0003


def main(module: str, how: str, kind: str = "noop", first: str = "0", n: str = "0") -> None:
    """Do it, and print what came of it."""
    producer = import_module(f"bench.peers.libraries.{module}").PRODUCER
    numbers = range(int(first), int(first) + int(n))
    if isinstance(producer, AsyncProducer):
        found = asyncio.run(_aproduce(producer, how, kind, numbers))
    else:
        found = _produce(producer, how, kind, numbers)
    print(json.dumps(found), flush=True)


def _produce(producer: SyncProducer, how: str, kind: str, numbers: range) -> dict[str, object]:
    if how == "empty":
        producer.empty()
        return {}
    producer.open()
    try:
        send = producer.send[kind]
        if how == "latency":
            return {"ns": [_lag(send, number, pause) for number, pause in _probes(numbers)]}
        start = time.monotonic_ns()
        if how == "many" and producer.many is not None:
            for chunk in _chunks(numbers, CHUNK):
                producer.many(kind, chunk)
        elif how == "each":
            for number in numbers:
                send(number)
        else:
            raise ValueError(f"this library can't publish {how!r}")
        return {"from": start, "to": time.monotonic_ns()}
    finally:
        producer.close()


def _lag(send: Callable[[int], object], number: int, pause: float) -> int:
    time.sleep(pause)
    start = time.monotonic_ns()
    send(number)
    while not (begun := marks().started(number)):
        _check_patience(start)
        time.sleep(_POLL)
    return begun - start


async def _aproduce(
    producer: AsyncProducer, how: str, kind: str, numbers: range
) -> dict[str, object]:
    if how == "empty":
        await producer.empty()
        return {}
    await producer.open()
    try:
        send = producer.send[kind]
        if how == "latency":
            return {"ns": [await _alag(send, number, p) for number, p in _probes(numbers)]}
        start = time.monotonic_ns()
        if how == "many" and producer.many is not None:
            for chunk in _chunks(numbers, CHUNK):
                await producer.many(kind, chunk)
        elif how == "together":
            for chunk in _chunks(numbers, TOGETHER):
                await asyncio.gather(*[send(number) for number in chunk])
        elif how == "each":
            for number in numbers:
                await send(number)
        else:
            raise ValueError(f"this library can't publish {how!r}")
        return {"from": start, "to": time.monotonic_ns()}
    finally:
        await producer.close()


async def _alag(send: Callable[[int], Awaitable[object]], number: int, pause: float) -> int:
    await asyncio.sleep(pause)
    start = time.monotonic_ns()
    await send(number)
    while not (begun := marks().started(number)):  # another process stamps it
        _check_patience(start)
        await asyncio.sleep(_POLL)
    return begun - start


def _check_patience(start: int) -> None:
    if time.monotonic_ns() - start > _LATENCY_SECONDS * 1e9:
        raise RuntimeError(f"a job did not start within {_LATENCY_SECONDS:g} s")


def _probes(numbers: range) -> Iterator[tuple[int, float]]:
    pauses, end = random.Random(1), time.monotonic() + _LATENCY_SECONDS
    for number in numbers:
        if time.monotonic() > end:
            return
        yield number, 0.001 + pauses.random() * 0.004


def _chunks(numbers: range, size: int) -> Iterator[range]:
    for start in range(0, len(numbers), size):
        yield numbers[start : start + size]


if __name__ == "__main__":
    main(*sys.argv[1:])
