"""Bare loops on beanstalkd: greenstalk one by one, and pipelined batches on a raw socket.

Consumers call `run(body)` for each job before they delete it; `drain_*` end when the queue is
empty, `serve` never ends by itself.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import greenstalk

from bench.bare.consume import Swap, Taken
from bench.bare.wire import RawClient

__all__ = ["FIRST_PUT", "drain_one_by_one", "put", "putter", "serve", "taker"]

Run = Callable[[bytes], object]

FIRST_PUT = """\
import greenstalk
with greenstalk.Client(("127.0.0.1", {port}), encoding=None) as client:
    client.put(b"0")
"""


@contextmanager
def putter(port: int) -> Iterator[Callable[[bytes], object]]:
    """Put with greenstalk, one round trip a job: what a producer without pulpo would write."""
    with greenstalk.Client(("127.0.0.1", port), encoding=None) as client:
        yield client.put


def put(port: int, bodies: Sequence[bytes], size: int, delay: float = 0) -> None:
    """Put with a raw socket, `size` jobs a flight; a delay is rounded up to whole seconds."""
    client = RawClient(port)
    for start in range(0, len(bodies), size):
        client.put(bodies[start : start + size], math.ceil(delay))
    client.close()


def drain_one_by_one(port: int, run: Run) -> int:
    """Reserve and delete with greenstalk, two round trips a job."""
    count = 0
    with greenstalk.Client(("127.0.0.1", port), encoding=None) as client:
        while True:
            try:
                job = client.reserve(timeout=0)
            except greenstalk.TimedOutError:
                return count
            run(job.body)
            client.delete(job)
            count += 1


@contextmanager
def taker(port: int) -> Iterator[Swap]:
    """Delete the last batch and reserve the next in one flight on a raw socket.

    beanstalkd serves on one thread. From about 100 jobs a flight its core is full, so that no
    client can be much faster.
    """
    client = RawClient(port)

    def swap(done: Sequence[Taken], size: int) -> list[Taken]:
        deletes = b"".join([b"delete %s\r\n" % number for number, _ in done])
        client.send(deletes + b"reserve-with-timeout 0\r\n" * size)
        return client.reserved_of(len(done) + size)

    yield swap
    client.close()


def serve(port: int, run: Run, window: int) -> None:
    """Keep `window` reserves waiting; delete what has come and ask anew in one write.

    With one, both ends sleep between any two jobs, and each wake-up costs more than the work.
    """
    client = RawClient(port)
    client.send(b"reserve\r\n" * window)
    while True:
        jobs, _ = client.reserved()
        for _, body in jobs:
            run(body)
        if jobs:
            deletes = b"".join([b"delete %s\r\n" % number for number, _ in jobs])
            client.send(deletes + b"reserve\r\n" * len(jobs))
