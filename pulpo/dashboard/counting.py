"""How many jobs each queue has: counted beside the pages, which show the last count there is.

To count a million jobs takes longer than a page may. So a count runs in one thread at a time,
however many look, takes a tenth of that thread's time at most, and every page says how old what
it shows is. Knows no page and no engine.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Protocol

from pulpo.adapter import QueueAdmin
from pulpo.clock import Clock
from pulpo.composed import Composed, ServerLook
from pulpo.envelope import DEFAULT_QUEUE
from pulpo.job import QueueStats, sum_of

__all__ = ["Counted", "Counts"]

# Seconds. A page waits so long for a count that has begun; a count is good for so long.
PATIENCE = 0.15
_FRESH = 1.0
_SHARE = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Counted:
    """The queues and their counts; `at` in monotonic seconds, `took` in seconds.

    `servers` has each of them, where the queue lies on several.
    """

    queues: tuple[QueueStats, ...]
    at: float
    took: float
    servers: tuple[ServerLook, ...] = ()

    def of(self, name: str) -> QueueStats:
        """Return the count of one queue; zeros for one that was not there."""
        found = (stats for stats in self.queues if stats.queue == name)
        return next(found, QueueStats(queue=name))

    def total(self) -> QueueStats:
        """Return the counts of all queues together."""
        return sum_of("", self.queues)

    @property
    def names(self) -> tuple[str, ...]:
        """The names of all queues."""
        return tuple(found.queue for found in self.queues)


class _Ask(Protocol):
    def __call__(self, work: Callable[[QueueAdmin], Counted], /) -> Future[Counted]: ...


class Counts:
    """The last count, renewed when somebody looks; any thread and any event loop."""

    def __init__(self, submit: _Ask, clock: Clock) -> None:
        self._submit = submit
        self._clock = clock
        self._lock = threading.Lock()
        self._last: Counted | None = None
        self._is_fresh = True
        self._running: Future[Counted] | None = None

    async def current(self, *, patience: float = PATIENCE) -> Counted | None:
        """Return the newest count; None where the first one takes longer than `patience` seconds.

        Raises what the queue raised where the last try has failed.
        """
        running = self._begin()
        if running is not None:
            waiting = asyncio.wrap_future(running)
            # Not wait_for: the count goes on, and the next page gets it.
            done, _ = await asyncio.wait({waiting}, timeout=patience)
            if done:
                return waiting.result()
        return self._last

    def forget(self) -> None:
        """Let the next look begin a count of its own: something was changed.

        Where that takes long, the last one is shown meanwhile.
        """
        with self._lock:
            self._running = None
            self._is_fresh = False

    def _begin(self) -> Future[Counted] | None:
        with self._lock:
            last = self._last
            age = 0.0 if last is None else self._clock.monotonic() - last.at
            if last is not None and self._is_fresh and age < _good_for(last):
                return None
            running = self._running
            if running is not None and not running.done():
                return running
            running = self._running = self._submit(self._count)
        # Without the lock: where it is done already, it is kept in this very call.
        running.add_done_callback(self._keep)
        return running

    def _count(self, admin: QueueAdmin) -> Counted:
        began = self._clock.monotonic()
        names = sorted({DEFAULT_QUEUE, *admin.queues()})
        queues = tuple(admin.stats(name) for name in names)
        servers = tuple(admin.servers()) if isinstance(admin, Composed) else ()
        now = self._clock.monotonic()
        return Counted(queues=queues, at=now, took=now - began, servers=servers)

    def _keep(self, done: Future[Counted]) -> None:
        with self._lock:
            if done is self._running and done.exception() is None:
                self._last = done.result()
                self._is_fresh = True


def _good_for(counted: Counted) -> float:
    return max(_FRESH, _SHARE * counted.took)
