"""Waiting for jobs: until the bell rings, something is due, or `wake`; at hardly any cost.

Who waits has left word in the database, and is rung by whoever makes a job ready. A put that looked
for waiting owners before that word was there, and is committed after our look, rings nobody: so
there are a few more looks soon after, and a slow poll for ever as the net.
"""

from __future__ import annotations

from collections.abc import Sequence

from pulpo.adapters.postgresql.link import Link
from pulpo.adapters.postgresql.trading import Trader
from pulpo.errors import QueueError
from pulpo.job import Job
from pulpo.system import wait_any
from pulpo.waker import Waker

__all__ = ["Waiting"]

# Seconds from one look to the next, the last one for ever.
_RUNG = (0.02, 0.1, 0.5, 5.2)
# Behind a pooler nobody can ring.
_POLLED = (0.02, 0.05, 0.1, 0.2, 0.4)
# Something is due, and somebody else has hold of it.
_AT_LEAST = 0.02


class Waiting:
    """Where one adapter waits; one thread. Nothing is asked again while it is known to be quiet."""

    def __init__(self, link: Link, trader: Trader, waker: Waker) -> None:
        self._link = link
        self._trader = trader
        self._waker = waker
        self._queues: Sequence[str] = ()
        self._looks = 0
        self._left = 0.0

    @property
    def is_known(self) -> bool:
        """Whether the database has our word that we wait."""
        return bool(self._queues)

    def looked(self, queues: Sequence[str], soonest: float | None) -> None:
        """Take note of a look at these queues that has found nothing, and left word."""
        if queues != self._queues:
            self._queues, self._looks = queues, 0
        steps = _RUNG if self._link.has_session else _POLLED
        self._left = steps[min(self._looks, len(steps) - 1)]
        self._looks += 1
        if soonest is not None:
            self._left = min(self._left, max(soonest, _AT_LEAST))

    def forget(self) -> None:
        """Take note that jobs have come: with them our word is gone."""
        self._queues = ()

    def leave(self) -> None:
        """Wait for jobs no longer, and pass on a ring that is for somebody with room."""
        queues, self._queues = self._queues, ()
        self._trader.trade((), (), limit=0, waits=False)
        if self._link.hear():
            self._trader.ring(queues)

    def wait(self, queues: Sequence[str], *, limit: int, timeout: float) -> Sequence[Job]:
        """Return jobs as soon as there are some, or none after `timeout` seconds or a `wake`."""
        while timeout > 0:
            if limit and self._must_look(queues):
                jobs = self._look(queues, limit)
                if jobs:
                    return jobs
            fds = [self._waker.fileno()]
            if limit and self._link.has_session and self._link.is_open:
                fds.append(self._link.fileno())
            left = min(timeout, self._left) if limit else timeout
            ready, elapsed = wait_any(fds, left)
            timeout -= elapsed
            self._left -= elapsed
            if self._waker.fileno() in ready:
                self._waker.silence()
                return ()
        return ()

    def _must_look(self, queues: Sequence[str]) -> bool:
        if queues != self._queues or self._left <= 0:
            return True
        # A line that is dead is a reason too: only a look opens another one.
        return self._link.is_rung() or (self._link.has_session and not self._link.is_open)

    def _look(self, queues: Sequence[str], limit: int) -> Sequence[Job]:
        rung = self._link.hear()
        traded = self._trader.trade((), queues, limit=limit, waits=True, rung=rung)
        if not traded.jobs:
            self.looked(queues, traded.soonest)
            return ()
        self.forget()
        if rung and len(traded.jobs) == limit:
            # There may be more than we have room for, and we were the one who was rung.
            self._pass_on(queues)
        return traded.jobs

    def _pass_on(self, queues: Sequence[str]) -> None:
        try:
            self._trader.ring(queues)
        except QueueError:
            pass  # the jobs that we have count more; others look by themselves before long
