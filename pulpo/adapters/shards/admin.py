"""The operator's door to several beanstalkds: what is on each of them, and their sum.

A server that is out of reach is left out of what is listed and counted. Where it might have what
was asked for, that is an error, and no "nobody has it".
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from heapq import merge
from itertools import islice, product, zip_longest

from pulpo.adapter import Glimpsing, QueueAdmin
from pulpo.adapters.beanstalkd.finding import place as rank
from pulpo.adapters.beanstalkd.own_tubes import ROSTER
from pulpo.adapters.shards.doors import Doors
from pulpo.adapters.shards.membership import Membership
from pulpo.adapters.shards.numbers import (
    inner,
    listed_outward,
    place_of,
    sighting_inward,
)
from pulpo.adapters.shards.server import Server
from pulpo.composed import ServerLook
from pulpo.errors import QueueError, QueueUnavailableError, UnsupportedError
from pulpo.job import Change, JobId, JobState, ListedJob, NewJob, Page, QueueStats, Sighting, sum_of

__all__ = ["ShardedAdmin"]


class ShardedAdmin:
    """Looks at and changes jobs on all servers; one thread, connects at its first use."""

    def __init__(self, members: Membership, open_admin: Callable[[str], QueueAdmin]) -> None:
        self._doors = Doors(members, open_admin)

    def queues(self) -> Sequence[str]:
        """Return the queues that any server knows, sorted."""
        found = {
            name for _, names in self._doors.all(lambda admin: admin.queues()) for name in names
        }
        return sorted(found)

    def stats(self, queue: str) -> QueueStats:
        """Count a queue's jobs on all servers."""
        return sum_of(
            queue, [found for _, found in self._doors.all(lambda admin: admin.stats(queue))]
        )

    def servers(self) -> Sequence[ServerLook]:
        """Return each server and what is on it; see `pulpo.adapter.Composed`."""
        self._doors.members.refresh()
        return [_look_at(self._doors, server) for server in self._doors.members]

    def list(
        self, queue: str | None = None, state: JobState | None = None, *, limit: int = 100
    ) -> Sequence[ListedJob]:
        """Return jobs in the order in which they would run."""
        found = self._doors.all(lambda admin: admin.list(queue, state, limit=limit))
        lines = [
            _without_roster(listed_outward(job, at.place) for job in jobs) for at, jobs in found
        ]
        return list(islice(merge(*lines, key=rank), max(limit, 0)))

    def walk(
        self,
        queue: str | None = None,
        state: JobState | None = None,
        *,
        type: str | None = None,
        bodies: bool = True,
    ) -> Iterator[Page]:
        """Look at all jobs, one server after the other; see `pulpo.adapter.QueueAdmin`."""
        seen = unseen = 0
        for server in self._doors.reached():
            page = Page((), 0)
            for page in self._doors.admin(server).walk(queue, state, type=type, bodies=bodies):
                jobs = _without_roster(listed_outward(job, server.place) for job in page.jobs)
                yield Page(jobs, seen + page.seen, unseen + page.unseen)
            seen, unseen = seen + page.seen, unseen + page.unseen

    def sample(self) -> Iterator[Sequence[ListedJob]]:
        """Yield all jobs, a page of each server in turn."""
        walks = [self._sampled(server) for server in self._doors.reached()]
        for pages in zip_longest(*walks, fillvalue=()):
            yield from pages

    def _sampled(self, server: Server) -> Iterator[Sequence[ListedJob]]:
        for page in self._doors.admin(server).sample():
            yield _without_roster(listed_outward(job, server.place) for job in page)

    def newest(self, limit: int = 1_000) -> Sequence[ListedJob]:
        """Return the last jobs of each server, the youngest first."""
        found = self._doors.all(lambda admin: admin.newest(limit))
        jobs = (listed_outward(job, server.place) for server, own in found for job in own)
        return sorted(_without_roster(jobs), key=lambda job: job.age or 0.0)[:limit]

    def glimpse(
        self, queue: str | None, state: JobState | None, *, limit: int, numbers: int
    ) -> tuple[Sequence[ListedJob], bool]:
        """Return some jobs of each server; see `pulpo.adapter.Glimpsing`."""
        lines, certain = [], True
        for server in self._doors.reached():
            admin = self._doors.admin(server)
            assert isinstance(admin, Glimpsing)
            jobs, all_of_them = admin.glimpse(queue, state, limit=limit, numbers=numbers)
            lines.append(_without_roster(listed_outward(job, server.place) for job in jobs))
            certain = certain and all_of_them
        found = list(merge(*lines, key=rank))
        return found[:limit], certain and len(found) <= limit

    def spot(self, id: JobId, *, numbers: int) -> tuple[ListedJob | None, bool]:
        """Look for a job on each server; see `pulpo.adapter.Glimpsing`."""
        servers, certain = self._doors.reached(), not self._doors.missing()
        # First where it was seen last: a server that does not have it searches for long.
        for most, server in product((0, numbers), servers):
            admin = self._doors.admin(server)
            assert isinstance(admin, Glimpsing)
            job, sure = admin.spot(_named(id, server.place), numbers=most)
            if job is not None:
                return listed_outward(job, server.place), True
            certain = certain and (sure or not most)
        return None, certain

    def look(self, jobs: Sequence[Sighting]) -> Sequence[ListedJob | None]:
        """Look once more at jobs that were seen."""

        def look(server: Server, own: Sequence[Sighting]) -> Sequence[ListedJob | None]:
            found = self._doors.admin(server).look(list(map(sighting_inward, own)))
            return [None if job is None else listed_outward(job, server.place) for job in found]

        return self._doors.each([(job.number, job) for job in jobs], look)

    def change(self, changes: Sequence[Change]) -> Sequence[bool | QueueError]:
        """Change jobs that were seen, each on its own server."""

        def change(server: Server, own: Sequence[Change]) -> Sequence[bool | QueueError]:
            told = [Change(each.act, sighting_inward(each.job), each.rewritten) for each in own]
            try:
                return self._doors.admin(server).change(told)
            except QueueUnavailableError as error:
                return [error] * len(own)  # the others have done theirs

        return self._doors.each([(each.job.number, each) for each in changes], change)

    def peek(self, ids: Sequence[JobId]) -> Sequence[ListedJob | None]:
        """Look jobs up on all servers."""
        found: dict[JobId, ListedJob] = {}
        for server in self._doors.reached():
            left = [name for name in dict.fromkeys(ids) if name not in found]
            jobs = self._doors.admin(server).peek([_named(name, server.place) for name in left])
            for name, job in zip(left, jobs, strict=True):
                if job is not None:
                    found[name] = listed_outward(job, server.place)
        self._doors.must_know_all(len(found) == len(set(ids)))
        return [found.get(name) for name in ids]

    def ahead(self, job: ListedJob) -> tuple[int, int]:
        """Count the ready jobs before one: on its server, and maybe those of the others."""
        least = most = 0
        for server in self._doors.reached():
            if server.place == place_of(job.number):
                (own,) = self._doors.admin(server).peek([_named(job.id, server.place)])
                least, more = (0, 0) if own is None else self._doors.admin(server).ahead(own)
                most += more
            else:
                most += self._doors.admin(server).stats(job.queue).ready
        return least, most

    def kick(self, ids: Sequence[JobId]) -> Sequence[bool]:
        """Kick jobs, on whichever server they are."""
        return self._any(ids, lambda admin, own: admin.kick(own))

    def kick_all(self, queue: str) -> int:
        """Kick the buried jobs of a queue on all servers."""
        return sum(count for _, count in self._doors.all(lambda admin: admin.kick_all(queue)))

    def delete(self, ids: Sequence[JobId]) -> Sequence[bool]:
        """Delete jobs that nobody runs."""
        return self._any(ids, lambda admin, own: admin.delete(own))

    def edit(self, id: JobId, rewritten: NewJob) -> bool:
        """Put the rewritten job on the server of the old one."""
        (old,) = self.peek([id])
        if old is None:
            return False
        (server,) = self._doors.members.those([place_of(old.number)])
        return self._doors.admin(server).edit(_named(id, server.place), rewritten)

    def pause(self, queue: str, seconds: float | None = None) -> None:
        """Pause a queue on all servers; raises where none of them knows it."""
        refused: list[UnsupportedError] = []

        def pause(admin: QueueAdmin) -> None:
            try:
                admin.pause(queue, seconds)
            except UnsupportedError as error:
                refused.append(error)

        if len(self._doors.all(pause)) == len(refused):
            raise refused[0]

    def resume(self, queue: str) -> None:
        """End a pause on all servers."""
        self._doors.all(lambda admin: admin.resume(queue))

    def close(self) -> None:
        """Close the connections; twice is once."""
        self._doors.close()

    def _any(
        self, ids: Sequence[JobId], act: Callable[[QueueAdmin, Sequence[JobId]], Sequence[bool]]
    ) -> Sequence[bool]:
        """Act on jobs, each on the server that has it; False for those that nobody has."""
        there = self.peek(ids)
        found = [(job.number, name) for job, name in zip(there, ids, strict=True) if job]

        def on_server(server: Server, own: Sequence[JobId]) -> Sequence[bool]:
            return act(self._doors.admin(server), [_named(name, server.place) for name in own])

        done = iter(self._doors.each(found, on_server))
        return [job is not None and next(done) for job in there]


def _without_roster(jobs: Iterable[ListedJob]) -> list[ListedJob]:
    return [job for job in jobs if job.queue != ROSTER]


def _named(id: JobId, place: int) -> JobId:
    """Return what a server knows a job by; a number that is another one's is nothing to it."""
    if not (id.isascii() and id.isdecimal()):
        return id
    return str(inner(int(id))) if place_of(int(id)) == place else "0"


def _look_at(doors: Doors, server: Server) -> ServerLook:
    standing = doors.members.roster.standing(server.name).value
    queues: list[QueueStats] = []
    try:
        admin = doors.admin(server)
        queues = [admin.stats(name) for name in admin.queues()]
    except QueueUnavailableError as error:
        server.failed(error)
    why = None if server.why is None else str(server.why)
    return ServerLook(name=server.name, standing=standing, queues=queues, why=why)
