"""The bare loops of all engines behind one door, found by an address that another process can use.

Addresses: `beanstalkd:PORT`, `postgresql:PORT`, `sqlite:SYNC:FILE` (the `PRAGMA synchronous` of its
producers), and `memory`, which no other process can see.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Protocol

from bench.bare import beanstalkd, memory, postgresql, sqlite
from bench.bare.consume import Swap, in_order
from bench.place import Place

__all__ = ["BareDoor", "address_of", "first_put", "open_bare"]

Run = Callable[[bytes], object]
Put = Callable[[bytes], object]


class BareDoor(Protocol):
    """What a bare loop on one engine can do."""

    def putter(self) -> AbstractContextManager[Put]:
        """Open a connection whose `put(body)` puts one job and waits for the answer."""
        ...

    def put(self, bodies: Sequence[bytes], size: int, delay: float = 0) -> None:
        """Put jobs, `size` in one go, due after `delay` seconds."""
        ...

    def taker(self) -> AbstractContextManager[Swap]:
        """Open a connection that deletes what is done and takes the next in one go."""
        ...

    def drain(self, run: Run, size: int) -> int:
        """Run and delete jobs, `size` in one go, until the queue is empty; return how many."""
        ...

    def serve(self, run: Run, size: int) -> None:
        """Run and delete jobs as they come, up to `size` in one go, for ever."""
        ...


class _Beanstalkd:
    def __init__(self, port: int) -> None:
        self._port = port

    def putter(self) -> AbstractContextManager[Put]:
        return beanstalkd.putter(self._port)

    def put(self, bodies: Sequence[bytes], size: int, delay: float = 0) -> None:
        beanstalkd.put(self._port, bodies, size, delay)

    def taker(self) -> AbstractContextManager[Swap]:
        return beanstalkd.taker(self._port)

    def drain(self, run: Run, size: int) -> int:
        if size == 1:
            return beanstalkd.drain_one_by_one(self._port, run)
        with self.taker() as swap:
            return in_order(swap, run, size)

    def serve(self, run: Run, size: int) -> None:
        beanstalkd.serve(self._port, run, size)


class _SQLite:
    def __init__(self, path: Path, sync: str) -> None:
        self._path = path
        self._sync = sync
        sqlite.create(path)

    def putter(self) -> AbstractContextManager[Put]:
        return sqlite.putter(self._path, self._sync)

    def put(self, bodies: Sequence[bytes], size: int, delay: float = 0) -> None:
        sqlite.put(self._path, bodies, size, self._sync, delay)

    def taker(self) -> AbstractContextManager[Swap]:
        return sqlite.taker(self._path)

    def drain(self, run: Run, size: int) -> int:
        with self.taker() as swap:
            return in_order(swap, run, size)

    def serve(self, run: Run, size: int) -> None:
        sqlite.serve(self._path, run, size)


class _PostgreSQL:
    def __init__(self, port: str) -> None:
        self._url = _postgresql_url(port)
        postgresql.create(self._url)

    def putter(self) -> AbstractContextManager[Put]:
        return postgresql.putter(self._url)

    def put(self, bodies: Sequence[bytes], size: int, delay: float = 0) -> None:
        postgresql.put(self._url, bodies, size, delay)

    def taker(self) -> AbstractContextManager[Swap]:
        return postgresql.taker(self._url)

    def drain(self, run: Run, size: int) -> int:
        with self.taker() as swap:
            return in_order(swap, run, size)

    def serve(self, run: Run, size: int) -> None:
        postgresql.serve(self._url, run, size)


def _postgresql_url(port: str) -> str:
    return f"postgresql://bench@127.0.0.1:{port}/postgres"


class _Memory:
    def __init__(self) -> None:
        self._queue = memory.BareQueue()

    def putter(self) -> AbstractContextManager[Put]:
        return nullcontext(self._queue.put)

    def put(self, bodies: Sequence[bytes], size: int, delay: float = 0) -> None:
        if delay:
            raise NotImplementedError("the bare heap knows no delay")
        memory.put(self._queue, bodies, size)

    def taker(self) -> AbstractContextManager[Swap]:
        raise NotImplementedError("the bare heap is drained by its own loop")

    def drain(self, run: Run, size: int) -> int:
        return memory.drain(self._queue, run, size)

    def serve(self, run: Run, size: int) -> None:
        memory.serve(self._queue, run, size)


def address_of(place: Place) -> str:
    """Return the address of the bare queue at a place."""
    if place.engine == "beanstalkd":
        return f"beanstalkd:{place.port}"
    if place.engine == "postgresql":
        return f"postgresql:{place.port}"
    if place.engine == "memory":
        return "memory"
    sync = "NORMAL" if place.engine.endswith("sync=normal") else "FULL"
    return f"sqlite:{sync}:{place.folder / 'bare.db'}"


def open_bare(address: str) -> BareDoor:
    """Return the door at an address, ready to put."""
    engine, _, rest = address.partition(":")
    if engine == "beanstalkd":
        return _Beanstalkd(int(rest))
    if engine == "postgresql":
        return _PostgreSQL(rest)
    if engine == "memory":
        return _Memory()
    sync, _, path = rest.partition(":")
    return _SQLite(Path(path), sync)


def first_put(address: str) -> str:
    """Return the shortest program that puts one job."""
    engine, _, rest = address.partition(":")
    if engine == "beanstalkd":
        return beanstalkd.FIRST_PUT.format(port=rest)
    if engine == "postgresql":
        return postgresql.FIRST_PUT.format(url=_postgresql_url(rest))
    if engine == "memory":
        raise NotImplementedError("a queue in memory ends with its program")
    sync, _, path = rest.partition(":")
    return sqlite.FIRST_PUT.format(sync=sync, path=path)
