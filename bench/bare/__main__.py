"""Bare consumers as processes of their own: `python -m bench.bare ADDRESS MODE MARKS SIZE COUNT`.

MODE is how they work: `drain` or `serve` run jobs that do nothing, until the queue is empty or for
ever; `sleep` and `sleep_async` run 10 ms sleeps, SIZE at once, until it is empty. Job bodies are
stamped as those of pulpo, so both are measured by one ruler. All COUNT processes are forked from
one that has imported everything, as pulpo's are, so that none is late.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

from bench.bare.consume import in_coroutines, in_threads
from bench.bare.doors import BareDoor, open_bare
from bench.jobs import PULSE
from bench.marks import Marks


def main(address: str, mode: str, marks: str, size: str, count: str) -> None:
    """Fork the consumers and wait for them; a SIGTERM ends all."""
    door, stamps = open_bare(address), Marks.open(Path(marks))
    children: list[int] = []

    def stop(*_: object) -> NoReturn:
        _end(children)
        os._exit(0)

    signal.signal(signal.SIGTERM, stop)
    for _ in range(int(count)):
        if not (child := os.fork()):
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
            _MODES[mode](door, stamps, int(size))
            os._exit(0)
        children.append(child)
    for _ in range(int(count)):
        child, status = os.wait()
        children.remove(child)
        if status:
            _end(children)
            raise SystemExit(1)


def _end(children: list[int]) -> None:
    for child in children:
        os.kill(child, signal.SIGTERM)


def _drain(door: BareDoor, marks: Marks, size: int) -> None:
    door.drain(lambda body: marks.stamp(int(body)), size)


def _serve(door: BareDoor, marks: Marks, size: int) -> None:
    door.serve(lambda body: marks.stamp(int(body)), size)


def _sleep(door: BareDoor, marks: Marks, size: int) -> None:
    def run(body: bytes) -> None:
        marks.begin(int(body))
        time.sleep(PULSE)
        marks.end(int(body))

    with door.taker() as swap:
        in_threads(swap, run, size)


def _sleep_async(door: BareDoor, marks: Marks, size: int) -> None:
    async def run(body: bytes) -> None:
        marks.begin(int(body))
        await asyncio.sleep(PULSE)
        marks.end(int(body))

    with door.taker() as swap:
        asyncio.run(in_coroutines(swap, run, size))


_MODES: dict[str, Callable[[BareDoor, Marks, int], None]] = {
    "drain": _drain,
    "serve": _serve,
    "sleep": _sleep,
    "sleep_async": _sleep_async,
}

if __name__ == "__main__":
    main(*sys.argv[1:])
