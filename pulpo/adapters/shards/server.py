"""One of several beanstalkds, as one thread sees it: its door, and whether it answers.

Knows nothing of the others.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence

from pulpo.adapters.beanstalkd import commands
from pulpo.adapters.beanstalkd.adapter import BeanstalkdAdapter
from pulpo.adapters.beanstalkd.link import Awaited, Kind, Link
from pulpo.adapters.beanstalkd.own_tubes import ROSTER
from pulpo.adapters.beanstalkd.switchboard import Flight
from pulpo.adapters.shards.roster import Roster
from pulpo.clock import Clock
from pulpo.errors import QueueUnavailableError

__all__ = ["Door", "Server"]

# Before the next try of a server that was out of reach or took no jobs, in seconds; twice as long
# each time.
_FIRST_PAUSE, _LONGEST_PAUSE = 0.5, 15.0
_LOG = logging.getLogger("pulpo.shards")


class Door(BeanstalkdAdapter):
    """A door to one server that can wait beside others, and reads the roster."""

    def roster(self) -> Roster | None:
        """Return the roster that lies on this server, None where there is none."""
        link, flight = self._fresh_link(), Flight()
        flight.add(link, commands.use(ROSTER), Awaited(Kind.NAME))
        flight.add(link, b"peek-ready\r\n", Awaited(Kind.FIRST))
        link.used = ROSTER
        for reply in self._board.fly(flight):
            if reply.awaited.kind is Kind.FIRST and reply.data is not None:
                return Roster.decode(reply.data)
        return None

    def stand(self, queues: Sequence[str], seconds: float) -> Link | None:
        """Let the server bring the next job to a link, and return it; None where all hold jobs."""
        return self._reserving.stand(queues, seconds)

    def hear(self) -> None:
        """Take in what has come."""
        self._board.receive()

    @property
    def is_standing(self) -> bool:
        """Whether the server is going to bring the next job by itself."""
        return any(link.waiting for link in self._board.links)

    @property
    def is_emptied(self) -> bool:
        """Whether the last flight has met the end of what is ready."""
        return self._board.misses > 0

    def rest(self, waited: float) -> None:
        """Take back what outlasts a wait of so many seconds."""
        self._reserving.end_wait(waited)


class Server:
    """A server and how it is; `name` is `host:port`, `place` its number among the others."""

    def __init__(self, name: str, place: int, open_door: Callable[[], Door], clock: Clock) -> None:
        self.name = name
        self.place = place
        self._open_door = open_door
        self._clock = clock
        self._door: Door | None = None
        self._pause = 0.0
        self._again = 0.0
        self._closed_until = 0.0
        self.why: QueueUnavailableError | None = None

    @property
    def door(self) -> Door:
        """The door, which connects at its first use."""
        if self._door is None:
            self._door = self._open_door()
        return self._door

    @property
    def answers(self) -> bool:
        """Whether it is asked: it answered last time, or that is long enough ago."""
        return self.why is None or self._clock.monotonic() >= self._again

    @property
    def takes(self) -> bool:
        """Whether it is given new jobs."""
        return self.answers and self._clock.monotonic() >= self._closed_until

    def failed(self, error: QueueUnavailableError) -> None:
        """It is out of reach: leave it out for a while."""
        if self.why is None:
            _LOG.warning("%s is left out: %s", self.name, error)
        self.why = error
        self._pause = min(max(self._pause * 2, _FIRST_PAUSE), _LONGEST_PAUSE)
        self._again = self._clock.monotonic() + self._pause

    def answered(self) -> None:
        """It is in reach."""
        if self.why is not None:
            _LOG.info("%s is in reach again", self.name)
            self.why, self._pause = None, 0.0

    def refused(self) -> None:
        """It takes no new jobs now: it is draining, or full."""
        self._closed_until = self._clock.monotonic() + _FIRST_PAUSE * 2

    def unreached(self) -> QueueUnavailableError:
        """Return an error to be told, a new one each time."""
        return QueueUnavailableError(f"{self.name} is out of reach: {self.why}")

    def close(self) -> None:
        """Close the door; twice is once."""
        if self._door is not None:
            self._door.close()
