"""Asking a beanstalkd one thing after the other, with a limit to every wait.

For looks from outside, where a round trip more does not matter; the loop never asks so.
"""

from __future__ import annotations

import select
from collections.abc import Mapping, Sequence

from pulpo.adapters.beanstalkd import commands
from pulpo.adapters.beanstalkd.link import Awaited, Kind, Link, Reply
from pulpo.clock import Clock
from pulpo.errors import QueueError, QueueUnavailableError

__all__ = ["REPLY_TIMEOUT", "Asking", "count"]

REPLY_TIMEOUT = 5.0
_IN_ONE_FLIGHT = 250


class Asking:
    """One link for questions; one thread. A context manager: closed on leaving."""

    def __init__(self, link: Link, clock: Clock) -> None:
        self._link = link
        self._clock = clock

    def ask(self, command: bytes, kind: Kind = Kind.STATS) -> Reply:
        """Send one command and return its reply; raises `QueueUnavailableError`."""
        return self.ask_all([command], kind)[0]

    def ask_all(self, requests: Sequence[bytes], kind: Kind = Kind.STATS) -> list[Reply]:
        """Send commands, many in one flight, and return their replies in order.

        Raises `QueueUnavailableError` where one flight is not answered within 5 s.
        """
        replies: list[Reply] = []
        for start in range(0, len(requests), _IN_ONE_FLIGHT):
            batch = requests[start : start + _IN_ONE_FLIGHT]
            try:
                self._link.send(batch, [Awaited(kind)] * len(batch))
                replies += self._receive()
            except QueueError as error:
                raise QueueUnavailableError(f"lost beanstalkd while asking it: {error}") from error
        return replies

    def stats(self) -> dict[str, str]:
        """Return what the server says of itself."""
        return commands.parse_stats(self.ask(b"stats\r\n").data or b"")

    def listen(self, seconds: float) -> None:
        """Wait without a word; raises `QueueUnavailableError` at once when the server goes."""
        poll = select.poll()
        poll.register(self._link, select.POLLIN)
        if poll.poll(seconds * 1000):
            raise QueueUnavailableError("beanstalkd closed the connection while it was watched")

    @property
    def peer(self) -> object:
        """The address at the other end, as the socket module says it."""
        return self._link.sock.getpeername()

    def close(self) -> None:
        """Close the link; twice is once."""
        self._link.close()

    def __enter__(self) -> Asking:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _receive(self) -> list[Reply]:
        deadline = self._clock.monotonic() + REPLY_TIMEOUT
        replies: list[Reply] = []
        while self._link.awaited:
            left = deadline - self._clock.monotonic()
            replies += self._link.receive(max(left, 0))
            if self._link.awaited and left <= 0:
                self._link.close()
                raise QueueUnavailableError(f"no answer within {REPLY_TIMEOUT:g} s")
        return replies


def count(stats: Mapping[str, str], name: str) -> int:
    """Return a whole number out of a stats reply, 0 where it has none of this name."""
    text = stats.get(name, "")
    return int(text) if text.isascii() and text.isdigit() else 0
