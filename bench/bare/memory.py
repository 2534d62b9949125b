"""A bare loop in memory: a heap under a lock, which is the least that keeps priorities."""

from __future__ import annotations

import heapq
import threading
from collections.abc import Callable, Sequence
from itertools import count

__all__ = ["BareQueue", "drain", "put"]


class BareQueue:
    """Jobs by priority, then by arrival; any thread."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.heap: list[tuple[int, int, bytes]] = []
        self.numbers = count()
        self.held: dict[int, bytes] = {}


def put(queue: BareQueue, bodies: Sequence[bytes], *, size: int) -> None:
    """Push jobs, `size` of them for each time the lock is taken."""
    for start in range(0, len(bodies), size):
        with queue.lock:
            for body in bodies[start : start + size]:
                heapq.heappush(queue.heap, (65_536, next(queue.numbers), body))


def drain(queue: BareQueue, run: Callable[[bytes], object], size: int = 128) -> int:
    """Forget the last batch and take the next, `size` jobs for each time the lock is taken."""
    done = 0
    last: list[int] = []
    while True:
        with queue.lock:
            for number in last:
                del queue.held[number]
            batch = [heapq.heappop(queue.heap) for _ in range(min(size, len(queue.heap)))]
            for _, number, body in batch:
                queue.held[number] = body
        if not batch:
            return done
        for _, _, body in batch:
            run(body)
        last = [number for _, number, _ in batch]
        done += len(batch)
