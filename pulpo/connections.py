"""One connection a thread, and one thread for all event loops; none survives a fork.

Knows engines and processes, no messages.
"""

from __future__ import annotations

import os
import threading
import weakref
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

from pulpo.adapter import Engine, QueueAdapter

if TYPE_CHECKING:
    from concurrent.futures import ThreadPoolExecutor

__all__ = ["Connections"]

T = TypeVar("T")


class _Door:
    """Holds a thread's adapter; thrown away with its thread, by `threading.local`."""

    __slots__ = ("__weakref__", "adapter", "pid")

    def __init__(self, adapter: QueueAdapter, kept: list[QueueAdapter]) -> None:
        self.adapter = adapter
        self.pid = os.getpid()
        # Also called at exit, so that no connection is left to the garbage collector.
        weakref.finalize(self, _close, adapter, self.pid, threading.current_thread(), kept)


def _close(
    adapter: QueueAdapter, pid: int, owner: threading.Thread, kept: list[QueueAdapter]
) -> None:
    # What a fork has copied is the parent's: to close it, or only to let it be collected, could end
    # the parent's connection. What a daemon thread has at exit may be in the middle of a command.
    if pid != os.getpid() or (_at_exit() and owner.is_alive()):
        kept.append(adapter)
    else:
        adapter.close()


def _at_exit() -> bool:
    # The interpreter declares its main thread dead before it calls what was registered for the end.
    return not threading.main_thread().is_alive()


class Connections:
    """The ways to one queue from this process; any thread may ask.

    There is no lock in here: another thread could hold it at the moment of a fork, and the child
    would wait for ever. `dict.setdefault` decides who was first instead.
    """

    def __init__(self, engine: Engine, url: str) -> None:
        self.engine = engine
        self.url = url
        self._local = threading.local()
        self._kept: list[QueueAdapter] = []
        self._threads: dict[int, ThreadPoolExecutor] = {}

    def adapter(self) -> QueueAdapter:
        """Return the calling thread's own adapter; connects when it is used."""
        door: _Door | None = getattr(self._local, "door", None)
        if door is None or door.pid != os.getpid():
            door = self._local.door = _Door(self.engine.adapter(), self._kept)
        return door.adapter

    async def call(self, function: Callable[[QueueAdapter], T]) -> T:
        """Call a function with the adapter of the one thread that works for event loops.

        Cancelling the wait does not cancel the call.
        """
        import asyncio  # noqa: PLC0415  # who has no event loop need not load one

        return await asyncio.get_running_loop().run_in_executor(
            self._thread(), lambda: function(self.adapter())
        )

    def _thread(self) -> ThreadPoolExecutor:
        pid = os.getpid()
        thread = self._threads.get(pid)
        if thread is None:
            from concurrent.futures import ThreadPoolExecutor  # noqa: PLC0415  # as above

            thread = ThreadPoolExecutor(1, thread_name_prefix="pulpo-publish")
            thread = self._threads.setdefault(pid, thread)
        return thread

    def close(self) -> None:
        """Close the connections of all threads; call it when none of them is publishing.

        The next use opens new ones.
        """
        thread = self._threads.pop(os.getpid(), None)
        if thread is not None:
            thread.shutdown()
        self._local = threading.local()
