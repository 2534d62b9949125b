"""A bare loop in memory: a heap under a lock, which is the least that keeps priorities."""

from __future__ import annotations

import heapq
import threading
from collections.abc import Callable, Sequence
from itertools import count

__all__ = ["BareQueue", "drain", "put", "serve"]

Run = Callable[[bytes], object]
Item = tuple[int, int, bytes]


class BareQueue:
    """Jobs by priority, then by arrival; any thread."""

    def __init__(self) -> None:
        self.ready = threading.Condition(threading.Lock())
        self.heap: list[Item] = []
        self.numbers = count()
        self.held: dict[int, bytes] = {}

    def put(self, body: bytes) -> None:
        with self.ready:
            heapq.heappush(self.heap, (65_536, next(self.numbers), body))
            self.ready.notify()

    def swap(self, done: Sequence[Item], size: int) -> list[Item]:
        """Forget what is done and take the next; the caller holds the lock."""
        for _, number, _ in done:
            del self.held[number]
        batch = [heapq.heappop(self.heap) for _ in range(min(size, len(self.heap)))]
        for _, number, body in batch:
            self.held[number] = body
        return batch


def put(queue: BareQueue, bodies: Sequence[bytes], size: int) -> None:
    """Push jobs, `size` of them for each time the lock is taken."""
    for start in range(0, len(bodies), size):
        with queue.ready:
            for body in bodies[start : start + size]:
                heapq.heappush(queue.heap, (65_536, next(queue.numbers), body))
            queue.ready.notify()


def drain(queue: BareQueue, run: Run, size: int) -> int:
    """Take jobs until there are none, `size` for each time the lock is taken."""
    total = 0
    batch: list[Item] = []
    while True:
        with queue.ready:
            batch = queue.swap(batch, size)
        if not batch:
            return total
        for _, _, body in batch:
            run(body)
        total += len(batch)


def serve(queue: BareQueue, run: Run, size: int) -> None:
    """Take jobs as they come, until an empty body says that it is over."""
    batch: list[Item] = []
    while True:
        with queue.ready:
            while not (batch := queue.swap(batch, size)):
                queue.ready.wait()
        for _, _, body in batch:
            if not body:
                return
            run(body)
