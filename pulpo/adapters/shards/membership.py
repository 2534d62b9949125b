"""Which servers there are, by the URL and by the rosters on the servers, looked at now and then.

One thread's. Knows nothing of jobs.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence

from pulpo.adapters.shards.numbers import MOST_SERVERS
from pulpo.adapters.shards.roster import Roster, Standing
from pulpo.adapters.shards.server import Server
from pulpo.clock import Clock
from pulpo.errors import QueueError, QueueUnavailableError

__all__ = ["REFRESH", "Membership"]

#: Everybody knows of a change after so many seconds, at their next call.
REFRESH = 2.0


class Membership:
    """The servers of one door; `open_server` makes one by its name and place."""

    def __init__(
        self, names: Sequence[str], open_server: Callable[[str, int], Server], clock: Clock
    ) -> None:
        self._open_server = open_server
        self._clock = clock
        self._looked = float("-inf")
        self.roster = Roster()
        self._servers: dict[str, Server] = {}
        for name in names:
            self._add(name)

    def reached(self) -> list[Server]:
        """Return the servers to reserve from that answer; raises where there is none."""
        self.refresh()
        found = [server for server in self if server.answers]
        if not found:
            raise self.unreached()
        return found

    def taking(self) -> list[Server]:
        """Return the servers that new jobs go to; all that could be, where none takes any."""
        self.refresh()
        named = [s for s in self if self.roster.standing(s.name) is Standing.IN]
        return [server for server in named if server.takes] or named

    def those(self, places: Collection[int]) -> list[Server]:
        """Return the servers of these places, also those that are out."""
        return [server for server in self._servers.values() if server.place in places]

    def unreached(self) -> QueueUnavailableError:
        """Return an error that says why no server is in reach."""
        why = "; ".join(f"{server.name}: {server.why}" for server in self)
        return QueueUnavailableError(f"no server is in reach: {why or 'none is left'}")

    def __iter__(self) -> Iterator[Server]:
        """Yield the servers from which jobs are reserved, in reach or not."""
        for server in self._servers.values():
            if self.roster.standing(server.name) is not Standing.OUT:
                yield server

    def refresh(self) -> None:
        """Look whether servers have come or gone, where the last look was some time ago."""
        now = self._clock.monotonic()
        if now - self._looked < REFRESH:
            return
        self._looked = now
        for server in list(self):
            if server.answers:
                self._look(server)
        for name in self.roster.servers:
            if name not in self._servers and self.roster.standing(name) is not Standing.OUT:
                self._add(name)

    def _look(self, server: Server) -> None:
        try:
            found = server.door.roster()
        except QueueUnavailableError as error:
            server.failed(error)
        except QueueError:
            return  # the next call has its own view of that
        else:
            server.answered()
            if found is not None and found.version > self.roster.version:
                self.roster = found

    def close(self) -> None:
        """Close all doors."""
        for server in self._servers.values():
            server.close()

    def _add(self, name: str) -> None:
        if len(self._servers) < MOST_SERVERS:
            self._servers[name] = self._open_server(name, len(self._servers))
