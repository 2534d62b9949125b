"""The operator's doors to the queue: a few threads, each with one of its own.

An admin belongs to one thread and may wait for the queue; the event loop must not. Knows no page.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

from pulpo.adapter import Engine, QueueAdmin

__all__ = ["Doors"]

T = TypeVar("T")

# So many questions are asked of the queue at once, however many pages are open.
_MOST = 4


class Doors:
    """Runs work with an admin; any thread and any event loop may ask."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._threads = ThreadPoolExecutor(_MOST, thread_name_prefix="pulpo-dashboard")
        self._own = threading.local()
        self._opened: list[QueueAdmin] = []

    def submit(self, work: Callable[[QueueAdmin], T]) -> Future[T]:
        """Let a thread do it, soon."""
        return self._threads.submit(lambda: work(self._admin()))

    async def ask(self, work: Callable[[QueueAdmin], T]) -> T:
        """Do it in a thread and return the result; a wait that is cancelled does not end it."""
        return await asyncio.wrap_future(self.submit(work))

    def max_body(self) -> int:
        """Return the size of the largest job that the queue takes, in bytes; may connect."""
        adapter = self._engine.adapter()
        try:
            return adapter.capabilities.max_body
        finally:
            adapter.close()

    def _admin(self) -> QueueAdmin:
        admin: QueueAdmin | None = getattr(self._own, "admin", None)
        if admin is None:
            admin = self._own.admin = self._engine.admin()
            self._opened.append(admin)
        return admin

    def close(self) -> None:
        """Let go of the queue, once the threads have finished."""
        self._threads.shutdown()
        while self._opened:
            self._opened.pop().close()
