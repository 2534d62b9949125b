"""The queue port on beanstalkd: settle and reserve in one flight.

This file checks the call and puts the pieces in order; how jobs are put, settled and reserved is
told by its neighbours.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable, MutableMapping, Sequence
from functools import lru_cache

from pulpo.adapters.beanstalkd.delivering import Delivering
from pulpo.adapters.beanstalkd.handing_back import hand_back_all, release_unheard
from pulpo.adapters.beanstalkd.link import Link
from pulpo.adapters.beanstalkd.looking import are_kicked, count_crashes
from pulpo.adapters.beanstalkd.putting import put_fitting, refuse_guards
from pulpo.adapters.beanstalkd.reclaiming import reclaim
from pulpo.adapters.beanstalkd.renewing import renew
from pulpo.adapters.beanstalkd.reserving import Reserving
from pulpo.adapters.beanstalkd.settling import Settling
from pulpo.adapters.beanstalkd.switchboard import Flight, Switchboard
from pulpo.clock import Clock
from pulpo.errors import QueueError, QueueUnavailableError
from pulpo.job import (
    Capabilities,
    Existing,
    Job,
    JobId,
    NewJob,
    Settlement,
    check_exchange,
    check_new_jobs,
)
from pulpo.waker import Waker

__all__ = ["BeanstalkdAdapter"]

# A connection that was used so recently, in seconds, is not looked at before a put.
_FRESH = 0.1


@lru_cache(maxsize=4)
def _capabilities(max_body: int) -> Capabilities:
    return Capabilities(
        engine="beanstalkd",
        max_body=max_body,
        delay_unit=1.0,
        keeps_pause=False,
        counts_crashes=False,
    )


class BeanstalkdAdapter:
    """One thread's door to a beanstalkd; connects at its first use."""

    def __init__(
        self,
        open_link: Callable[[], Link],
        clock: Clock,
        *,
        reply_timeout: float,
        known: MutableMapping[str, int] | None = None,
    ) -> None:
        self._open_link = open_link
        self._known = known
        self._clock = clock
        self._reply_timeout = reply_timeout
        self._waker = Waker()
        self._closed = False
        self._start_anew()

    def _start_anew(self) -> None:
        self._pid = os.getpid()
        self._board = Switchboard(self._open_link, self._clock)
        self._settling = Settling(self._board, self._clock, self._known)
        self._reserving = Reserving(self._board, self._waker, self._clock)
        self._delivering = Delivering(self._board, self._clock)
        self._put_at = 0.0

    @property
    def capabilities(self) -> Capabilities:
        """What this server can do; asks it for its largest job."""
        if not self._board.links:  # as where the door is closed
            self._check()
            self._board.open()
        return _capabilities(self._board.links[0].max_body)

    def put(self, jobs: Sequence[NewJob]) -> Sequence[JobId | Existing | QueueError]:
        """Put jobs; see `pulpo.adapter.QueueAdapter`."""
        self._check()
        check_new_jobs(jobs)
        refuse_guards(jobs)
        if not jobs:
            return []
        link = self._fresh_link()
        try:
            return put_fitting(link, jobs, self._clock, patience=self._reply_timeout)
        finally:
            if link.broken:
                self._board.drop(link)

    def exchange(
        self,
        settlements: Sequence[Settlement],
        queues: Sequence[str],
        *,
        limit: int,
        timeout: float,
    ) -> tuple[Sequence[bool | QueueError], Sequence[Job]]:
        """Settle, then reserve; see `pulpo.adapter.QueueAdapter`."""
        self._check()
        check_exchange(settlements, queues, limit=limit, timeout=timeout)
        flight = self.depart(settlements, queues, limit=limit, timeout=timeout)
        results = self.arrive(flight, settlements, limit=limit)
        try:
            self._wait(queues, limit=limit, timeout=timeout, polled=flight.reserves)
        except QueueUnavailableError:
            if not settlements and not self._board.arrived:
                raise
            # What was settled must be told: asked a second time, nobody would know the answer.
        return results, self.deliver(flight, limit)

    def depart(
        self,
        settlements: Sequence[Settlement],
        queues: Sequence[str],
        *,
        limit: int,
        timeout: float,
    ) -> Flight:
        """Send what an exchange asks; who asks several servers lets all depart before any arrives.

        Waits for nothing but the copies of rewritten jobs, and the priorities of released ones.
        """
        board = self._board
        board.receive()
        reclaim(board)
        self._settling.prepare(settlements)
        flight = Flight()
        self._settling.add_to(flight, settlements)
        room = limit - len(board.arrived) - board.ahead
        if room > 0:
            flight.reserves = True
            self._reserving.add_to(flight, queues, limit=room, timeout=timeout)
        board.start(flight)
        return flight

    def arrive(
        self, flight: Flight, settlements: Sequence[Settlement], *, limit: int
    ) -> Sequence[bool | QueueError]:
        """Read what a flight brings; return the answers to its settlements."""
        board = self._board
        earlier = len(board.arrived)
        board.end(flight)
        if flight.reserves:
            self._reserving.order(flight, earlier)
        if limit and not board.arrived and board.ahead:
            # The first half of them to go on with; the other half comes while those run.
            board.land(but=board.ahead // 2)
            if not board.arrived:
                board.land()
        return self._settling.results(settlements)

    def deliver(self, flight: Flight, limit: int) -> Sequence[Job]:
        """Hand over jobs that have arrived, up to `limit`."""
        if flight.ahead:
            here = len(self._board.arrived) + self._board.ahead
            limit = min(limit, max(math.ceil(here / 2), 1))
        return self._delivering.deliver(limit)

    def _wait(self, queues: Sequence[str], *, limit: int, timeout: float, polled: bool) -> None:
        if self._board.arrived:
            return
        if timeout > 0:
            self._reserving.wait(queues, timeout=timeout, reserve=limit > 0)
        elif polled:
            self._reserving.catch_up()

    def touch(self, jobs: Sequence[Job]) -> Sequence[bool | QueueError]:
        """Renew leases; see `pulpo.adapter.QueueAdapter`."""
        self._check()
        return renew(self._board, jobs)

    def crashes(self, jobs: Sequence[Job]) -> Sequence[int]:
        """Count runs without a word, from the server's own counters, in one flight."""
        self._check()
        return count_crashes(self._board, jobs)

    def kicked(self, jobs: Sequence[Job]) -> Sequence[bool]:
        """Tell which jobs were kicked, in one flight; see `pulpo.adapter.OwnClock`."""
        self._check()
        return are_kicked(self._board, jobs)

    def leave(self, jobs: Sequence[Job]) -> None:
        """Release jobs whose runs end with this process; see `pulpo.adapter.QueueAdapter`.

        The server would give them back by itself when the sockets close, but count runs without
        a word. Their answers are not waited for: the second run shall not begin beside this one.
        """
        self._check()
        board = self._board
        board.land()
        # What has arrived and was not asked for yet has no run that could have said a word.
        ours = [job for job in jobs if not board.runs_anew(job)]
        release_unheard(board, [*ours, *board.arrived])

    def wake(self) -> None:
        """Let a waiting exchange return; any thread."""
        self._waker.ring()

    def close(self) -> None:
        """Close the connections: the server gives back every job at once."""
        if not self._closed:
            self._closed = True
            if self._pid == os.getpid():
                self._board.land()
                hand_back_all(self._board)
                self._board.close()
            self._waker.close()

    def _check(self) -> None:
        if self._closed:
            raise QueueUnavailableError("this door to beanstalkd is closed")
        if self._pid != os.getpid():
            # Forked: the parent's sockets were abandoned here, its jobs are the parent's.
            self._waker = Waker()
            self._start_anew()

    def _fresh_link(self) -> Link:
        link, now = self._board.ready_link(), self._clock.monotonic()
        # A server that was restarted meanwhile has closed the socket: to see that now is a new
        # connection, to see it after sending is a `PublishUncertainError`.
        if now - self._put_at > _FRESH and link.is_stale():
            self._board.drop(link)
            link = self._board.ready_link()
        self._put_at = now
        return link
