"""The bare loops of an engine behind one door: put in chunks, drain in batches."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

from bench.bare import beanstalkd, memory, sqlite
from bench.place import Place

__all__ = ["BareSide", "prepare"]

Run = Callable[[bytes], object]


class BareSide(Protocol):
    """What a bare loop on one engine can do."""

    def put(self, bodies: Sequence[bytes], size: int) -> None:
        """Put jobs, `size` in one go."""
        ...

    def drain(self, run: Run, size: int) -> int:
        """Run and delete jobs until the queue is empty; return how many."""
        ...


class _Beanstalkd:
    def __init__(self, place: Place) -> None:
        self._port = place.port

    def put(self, bodies: Sequence[bytes], size: int) -> None:
        if size == 1:
            beanstalkd.put_one_by_one(self._port, bodies)
        else:
            beanstalkd.put_batches(self._port, bodies, size)

    def drain(self, run: Run, size: int) -> int:
        return beanstalkd.drain_batches(self._port, run, size)


class _SQLite:
    def __init__(self, place: Place) -> None:
        self._path = place.bare_file
        self._sync = place.sync
        sqlite.create(self._path)

    def put(self, bodies: Sequence[bytes], size: int) -> None:
        sqlite.put(self._path, bodies, size=size, sync=self._sync)

    def drain(self, run: Run, size: int) -> int:
        return sqlite.drain(self._path, run, size)


class _Memory:
    def __init__(self) -> None:
        self._queue = memory.BareQueue()

    def put(self, bodies: Sequence[bytes], size: int) -> None:
        memory.put(self._queue, bodies, size=size)

    def drain(self, run: Run, size: int) -> int:
        return memory.drain(self._queue, run, size)


def prepare(place: Place) -> BareSide:
    """Return the bare loops for a place, ready to put."""
    if place.engine == "beanstalkd":
        return _Beanstalkd(place)
    return _Memory() if place.engine == "memory" else _SQLite(place)
