"""Reserving from beanstalkd: polls in the flight of the settlements, one waiting connection.

A blocking reserve stops its connection, so waiting is done on one that holds no job. While jobs
come in fast they are polled for in batches, as many as the last polls have found.
"""

from __future__ import annotations

import math
import select
from collections.abc import Sequence

from pulpo.adapters.beanstalkd import commands
from pulpo.adapters.beanstalkd.link import Awaited, Kind, Link
from pulpo.adapters.beanstalkd.switchboard import Flight, Switchboard
from pulpo.clock import Clock
from pulpo.waker import Waker

__all__ = ["Reserving"]

_MOST_LINKS = 4
_MOST_POLLS = 256
# Where every connection holds a job, waiting is polling at this pace.
_SHORT_POLL = 0.05
_LONGEST_WAIT = 5
# So soon after the wait began, in seconds, a job was ready before it.
_AT_ONCE = 0.0005
# What is left of a wait after its reserve has ended is not worth another one.
_TOO_SHORT = 0.1
# A wait of less than this leaves its reserve standing when it ends.
_SHORT_WAIT = 0.5
# With so many settlements in one flight jobs are short, and come in a row: the server looks for the
# next ones while the last ones run.
_IN_A_ROW = 8
_POLLED = Awaited(Kind.RESERVE)
# The server gives a job to a waiting connection in the moment of its put.
_ON_ITS_WAY = 0.003


class Reserving:
    """How many polls go out, and where the next job is waited for."""

    def __init__(self, board: Switchboard, waker: Waker, clock: Clock) -> None:
        self._board = board
        self._waker = waker
        self._clock = clock
        self._depth = 1

    def add_to(self, flight: Flight, queues: Sequence[str], *, limit: int, timeout: float) -> None:
        """Add reserves to a flight; where nothing is expected, one that waits."""
        self._learn()
        if limit <= 0:
            return
        if self._waiting_link(queues) is not None and timeout > 0:
            # The next job comes there. Only who does not wait wants an answer now, and a server
            # that is busy may not even have read that reserve.
            return
        link = self._fitting_link(flight)
        # Behind the settlements of all that it holds, a link holds nothing and may wait.
        emptied = len(link.held) <= flight.count(link) and not link.awaited
        if timeout > 0 and not self._depth and emptied:
            self._add_wait(flight, link, queues, timeout)
            return
        self._watch(flight, link, queues)
        polls = min(limit, max(self._depth, 1), _MOST_POLLS)
        if flight.count(link) >= _IN_A_ROW:
            flight.ahead[link] = polls
        flight.repeat(link, commands.POLL, _POLLED, polls)

    def _learn(self) -> None:
        """Adapt the next flight to what the last ones have found."""
        board = self._board
        if board.misses:
            self._depth = board.hits
        elif board.hits:
            self._depth = min(max(self._depth, board.hits * 2), _MOST_POLLS)
        board.hits = board.misses = 0

    def wait(self, queues: Sequence[str], *, timeout: float, reserve: bool) -> None:
        """Wait for a job, or for the waker, up to `timeout` seconds."""
        started = self._clock.monotonic()
        board, left = self._board, timeout
        while not board.arrived:
            if self._waker.silence():
                return
            link = self._waiting_link(queues if reserve else None)
            if left <= 0 or (link is None and left < timeout and left < _TOO_SHORT):
                self.end_wait(timeout)
                return
            link = link or (self.stand(queues, left) if reserve else None)
            pause = left if link is not None or not reserve else min(left, _SHORT_POLL)
            if link in self._pause(link, pause):
                board.receive(link)
            elif reserve and link is None:
                return
            left = started + timeout - self._clock.monotonic()
        if timeout - left < _AT_ONCE:
            # It was there already: there may be more behind it.
            self._depth = max(self._depth, 1)

    def catch_up(self) -> None:
        """Give a job that is on its way to a waiting connection the moment to arrive."""
        link = self._waiting_link(None)
        if link is not None and link in self._pause(link, _ON_ITS_WAY):
            self._board.receive(link)

    def order(self, flight: Flight, earlier: int) -> None:
        """Put a job of the waiting connection before those that a flight has polled for beside it.

        It was given first, since its reserve was sent first. `earlier` had arrived before both.
        """
        link, board = self._waiting_link(None), self._board
        if link is None or link in flight.orders:
            return
        polled = [board.arrived.pop() for _ in range(len(board.arrived) - earlier)]
        board.receive(link)
        board.arrived.extend(reversed(polled))

    def _pause(self, link: Link | None, seconds: float) -> list[Link]:
        poll = select.poll()
        poll.register(self._waker.fileno(), select.POLLIN)
        if link is not None:
            poll.register(link.sock, select.POLLIN)
        ready = poll.poll(math.ceil(seconds * 1000))
        return [link] if link is not None and any(fd == link.fileno() for fd, _ in ready) else []

    def end_wait(self, timeout: float) -> None:
        """Take back a reserve that outlasts its wait: its job would come to nobody."""
        link = self._waiting_link(None)
        # A short wait belongs to a loop that comes back at once; it keeps the reserve standing.
        if link is None or timeout < _SHORT_WAIT:
            return
        if link in self._pause(link, _ON_ITS_WAY * 20):
            self._board.receive(link)
        if link.waiting:
            self._board.drop(link)

    def stand(self, queues: Sequence[str], seconds: float) -> Link | None:
        """Return a link on which a blocking reserve is under way; None where all hold jobs."""
        waiting = self._waiting_link(queues)
        if waiting is not None:
            return waiting
        board = self._board
        link = next((x for x in board.links if not x.held and not x.awaited), None)
        if link is None:
            if len(board.links) >= _MOST_LINKS:
                return None
            link = board.open()
        flight = Flight()
        self._add_wait(flight, link, queues, seconds)
        board.fly(flight)
        return None if link.broken else link

    def _add_wait(self, flight: Flight, link: Link, queues: Sequence[str], seconds: float) -> None:
        self._watch(flight, link, queues)
        whole = min(max(int(seconds), 1), _LONGEST_WAIT)
        flight.add(link, commands.reserve(whole), Awaited(Kind.WAIT))
        link.waiting = True

    def _waiting_link(self, queues: Sequence[str] | None) -> Link | None:
        for link in self._board.links:
            if link.waiting:
                if queues is None or link.watched == tuple(queues):
                    return link
                # It waits at the wrong queues, and cannot be told before a job comes.
                self._board.drop(link)
                return None
        return None

    def _fitting_link(self, flight: Flight) -> Link:
        for link in flight.orders:
            if not link.waiting:
                return link
        return self._board.ready_link()

    def _watch(self, flight: Flight, link: Link, queues: Sequence[str]) -> None:
        wanted = tuple(queues)
        if link.watched == wanted:
            return
        for command in commands.watch_only(wanted, link.watched):
            flight.add(link, command, Awaited(Kind.NAME))
        link.watched = wanted
