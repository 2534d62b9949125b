"""What a bare consumer does with the jobs that it takes: run them in order, or many at once.

A `swap` deletes the jobs that are done and takes up to so many of the next, in one go. Engines
are not known here.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from typing import Any

__all__ = ["Swap", "Taken", "in_coroutines", "in_order", "in_threads"]

Taken = tuple[Any, bytes]  # what the engine calls the job, and its body
Swap = Callable[[Sequence[Taken], int], list[Taken]]


def in_order(swap: Swap, run: Callable[[bytes], object], size: int) -> int:
    """Run jobs one after the other, `size` a swap, until there are none; return how many."""
    count = 0
    batch: list[Taken] = []
    while batch := swap(batch, size):
        for _, body in batch:
            run(body)
        count += len(batch)
    return count


def in_threads(swap: Swap, run: Callable[[bytes], object], slots: int) -> int:
    """Run `slots` jobs at once, until there are none; the next ones are taken meanwhile."""
    count = 0
    done: list[Taken] = []
    flights: list[tuple[list[Taken], list[Future[object]]]] = []
    with ThreadPoolExecutor(slots) as pool:
        while True:
            if batch := swap(done, slots):
                flights.append((batch, [pool.submit(run, body) for _, body in batch]))
                count += len(batch)
            done = []
            if not flights:
                return count
            if len(flights) > 1 or not batch:
                done, runs = flights.pop(0)
                wait(runs)


async def in_coroutines(swap: Swap, run: Callable[[bytes], Awaitable[object]], slots: int) -> int:
    """Do the same with coroutines in one event loop."""
    count = 0
    done: list[Taken] = []
    flights: list[tuple[list[Taken], asyncio.Future[list[object]]]] = []
    free = asyncio.Semaphore(slots)

    async def run_one(body: bytes) -> object:
        async with free:
            return await run(body)

    while True:
        if batch := swap(done, slots):
            flights.append((batch, asyncio.gather(*[run_one(body) for _, body in batch])))
            count += len(batch)
            await asyncio.sleep(0)  # they start before the next swap holds the loop
        done = []
        if not flights:
            return count
        if len(flights) > 1 or not batch:
            done, runs = flights.pop(0)
            await runs
