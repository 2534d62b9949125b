"""One exchange with several servers: all are asked before the first answer is read.

How a reservation is shared is decided in `sharing`; here it is sent, waited for and given back.
"""

from __future__ import annotations

import math
import select
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TypeAlias

from pulpo.adapters.beanstalkd.switchboard import Flight
from pulpo.adapters.shards.membership import Membership
from pulpo.adapters.shards.numbers import by_place, inward, outward
from pulpo.adapters.shards.server import Server
from pulpo.adapters.shards.sharing import bound, probes, shares
from pulpo.adapters.shards.urgency import priority_of
from pulpo.clock import Clock
from pulpo.errors import QueueError, QueueUnavailableError
from pulpo.job import Job, Settlement, Verb
from pulpo.waker import Waker

__all__ = ["Reserving", "reaching"]

# Something more urgent may have come to a server that was last asked so long ago, in seconds.
_LOOKS = 0.01
# Where every connection to a server holds a job, it is asked again after this.
_SHORT_POLL = 0.05

#: A job as its server's door knows it, and that server.
Found: TypeAlias = tuple[Server, Job]


@contextmanager
def reaching(server: Server) -> Iterator[None]:
    """Note whether a server is in reach; one that is not has given no answer, and that is all."""
    try:
        yield
    except QueueUnavailableError as error:
        server.failed(error)
    else:
        server.answered()


class Reserving:
    """Settles and reserves at all servers of one door."""

    def __init__(self, members: Membership, waker: Waker, clock: Clock) -> None:
        self._members = members
        self._waker = waker
        self._clock = clock
        self._queues: Sequence[str] = ()
        self._fronts: dict[int, int] = {}
        self._looked: dict[int, float] = {}
        self._turn = 0

    def exchange(
        self,
        settlements: Sequence[Settlement],
        queues: Sequence[str],
        *,
        limit: int,
        timeout: float,
    ) -> tuple[Sequence[bool | QueueError], Sequence[Job]]:
        """Settle, then reserve; see `pulpo.adapter.QueueAdapter`."""
        if limit and tuple(queues) != self._queues:
            # Neither where these begin is known, nor whether there is something more urgent.
            self._queues = tuple(queues)
            self._fronts.clear()
            self._looked.clear()
        try:
            servers = self._members.reached() if limit else []
        except QueueUnavailableError:
            if not settlements:
                raise
            servers = []
        asked = self._asked(servers, limit)
        answers, found = self._ask(settlements, queues, asked, timeout=timeout)
        spared = {place: 1 for place, ask in asked.items() if not ask}
        if spared and self._may_be_better(spared, found):
            asked.update(spared)
            found += self._ask([], queues, spared, timeout=timeout)[1]
        if not found and timeout > 0:
            found = self._wait(servers, queues, asked, timeout)
        return answers, self._sorted_out(found, asked, limit)

    def _asked(self, servers: Sequence[Server], limit: int) -> dict[int, int]:
        """Return how many jobs each server is asked for now."""
        if not servers:
            return {}
        self._turn += 1
        places, now = [server.place for server in servers], self._clock.monotonic()
        # Nobody waits for one that has gone: its jobs may be elsewhere by now.
        self._fronts = {place: self._fronts[place] for place in places if place in self._fronts}
        asked = shares(limit, places, self._fronts, self._turn)
        less_urgent = probes(places, self._fronts)
        for server in servers:
            place = server.place
            is_known = now - self._looked.get(place, -math.inf) < _LOOKS
            if place in less_urgent and is_known:
                asked[place] = 0
            elif not asked[place] and not is_known:
                asked[place] = 1
            if asked[place]:
                self._looked[place] = now
        return asked

    def _may_be_better(self, spared: Collection[int], found: Sequence[Found]) -> bool:
        """Tell whether a server that was not asked has what goes before all that was found."""
        best = min((priority_of(job) for _, job in found), default=None)
        return best is None or any(self._fronts.get(place, best) < best for place in spared)

    def _ask(
        self,
        settlements: Sequence[Settlement],
        queues: Sequence[str],
        asked: Mapping[int, int],
        *,
        timeout: float,
    ) -> tuple[list[bool | QueueError], list[Found]]:
        """Send each server its settlements and its share, then read all answers."""
        own = by_place((each.job.number, inward(each)) for each in settlements)
        answers: dict[int, bool | QueueError] = {}
        found: list[Found] = []
        flights: list[tuple[Server, Sequence[int], Sequence[Settlement], Flight]] = []
        for server in self._members.those(own.keys() | {p for p, ask in asked.items() if ask}):
            indexes, theirs = _apart(own.get(server.place, ()))
            ask = asked.get(server.place, 0)
            answers.update((index, server.unreached()) for index in indexes)  # until it answers
            if server.answers:
                # Who waits from the start is served by whoever answers first, urgent or not.
                patience = timeout if server.door.is_standing else 0.0
                with reaching(server):
                    flight = server.door.depart(theirs, queues, limit=ask, timeout=patience)
                    flights.append((server, indexes, theirs, flight))
        for server, indexes, theirs, flight in flights:
            ask = asked.get(server.place, 0)
            with reaching(server):
                results = server.door.arrive(flight, theirs, limit=ask)
                answers.update(zip(indexes, results, strict=True))
                found += [(server, job) for job in server.door.deliver(flight, ask)]
        return [answers[index] for index in range(len(settlements))], found

    def _wait(
        self,
        servers: Sequence[Server],
        queues: Sequence[str],
        asked: Mapping[int, int],
        timeout: float,
    ) -> list[Found]:
        """Wait at all servers at once for a job, or for the waker."""
        end, left = self._clock.monotonic() + timeout, timeout
        found: list[Found] = []
        while not found and left > 0 and not self._waker.silence():
            standing = self._stand(servers, queues, left)
            pause = left if len(standing) == len(servers) else min(left, _SHORT_POLL)
            for server in self._rung(standing, pause):
                with reaching(server):
                    server.door.hear()
                    most = asked.get(server.place, 0) or 1
                    found += [(server, job) for job in server.door.deliver(Flight(), most)]
            if len(standing) < len(servers):
                break  # the others have to be asked again
            left = end - self._clock.monotonic()
        if not found:
            for server in servers:
                with reaching(server):
                    server.door.rest(timeout)
        return found

    def _stand(
        self, servers: Sequence[Server], queues: Sequence[str], seconds: float
    ) -> dict[int, Server]:
        """Let each server bring its next job by itself; return those that do, by descriptor."""
        standing = {}
        for server in servers:
            with reaching(server):
                link = server.door.stand(queues, seconds)
                if link is not None:
                    standing[link.fileno()] = server
        return standing

    def _rung(self, standing: Mapping[int, Server], pause: float) -> list[Server]:
        poll = select.poll()
        for fd in (self._waker.fileno(), *standing):
            poll.register(fd, select.POLLIN)
        return [standing[fd] for fd, _ in poll.poll(math.ceil(pause * 1000)) if fd in standing]

    def _sorted_out(
        self, found: Sequence[Found], asked: Mapping[int, int], limit: int
    ) -> list[Job]:
        """Return the most urgent jobs, and give back those that must wait for others."""
        ranked = [(priority_of(job), server, job) for server, job in found]
        fronts: dict[int, int] = {}
        for priority, server, _ in ranked:
            if not server.door.is_emptied:
                fronts[server.place] = max(priority, fronts.get(server.place, 0))
        for place, ask in asked.items():
            if ask:
                self._fronts.pop(place, None)
        self._fronts.update(fronts)
        last = bound(self._fronts)
        ranked.sort(key=lambda each: each[0])
        here = sum(last is None or priority <= last for priority, _, _ in ranked)
        here = min(here, limit)
        for priority, server, _ in reversed(ranked[here:]):
            self._fronts[server.place] = priority  # what goes back is the next that it has
        self._give_back(ranked[here:])
        return [outward(job, server.place) for _, server, job in ranked[:here]]

    def _give_back(self, ranked: Sequence[tuple[int, Server, Job]]) -> None:
        for place in {server.place for _, server, _ in ranked}:
            own = [(server, job) for _, server, job in ranked if server.place == place]
            server = own[0][0]
            with reaching(server):
                back = [Settlement(Verb.RELEASE, job) for _, job in own]
                server.door.exchange(back, [], limit=0, timeout=0.0)


def _apart(
    own: Sequence[tuple[int, Settlement]],
) -> tuple[Sequence[int], Sequence[Settlement]]:
    return [index for index, _ in own], [settlement for _, settlement in own]
