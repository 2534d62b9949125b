"""Event loops for the coroutines of a test that has none of its own.

Knows no jobs.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from threading import get_ident
from typing import TypeVar

__all__ = ["Loops"]

T = TypeVar("T")


class Loops:
    """Runs coroutines to their end; any thread may ask."""

    def __init__(self) -> None:
        # One for all jobs of a thread, as in a worker: what a job has opened on it stays usable.
        self._runners: dict[int, asyncio.Runner] = {}

    def run(self, coroutine: Coroutine[object, object, T]) -> T:
        """Run a coroutine in this thread; where its event loop is running, in one beside it."""
        context = copy_context()
        try:
            asyncio.get_running_loop()
        except RuntimeError:
            return self._runner().run(coroutine, context=context)
        with ThreadPoolExecutor(1, thread_name_prefix="pulpo-aside") as thread:
            return thread.submit(context.run, asyncio.run, coroutine).result()

    def _runner(self) -> asyncio.Runner:
        # With a factory, or it would take the place of the thread's own event loop.
        made = asyncio.Runner(loop_factory=asyncio.new_event_loop)
        return self._runners.setdefault(get_ident(), made)

    def close(self) -> None:
        """End the event loops, and what still runs on them."""
        while self._runners:
            self._runners.popitem()[1].close()
