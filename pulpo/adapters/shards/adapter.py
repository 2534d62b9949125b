"""The queue port on several beanstalkds: each call goes to those that it concerns."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TypeVar

from pulpo.adapters.shards.membership import Membership
from pulpo.adapters.shards.numbers import by_place
from pulpo.adapters.shards.reserving import Reserving, reaching
from pulpo.adapters.shards.server import Server
from pulpo.adapters.shards.spreading import spread
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

__all__ = ["ShardedAdapter"]

Answer = TypeVar("Answer")


def first_turn() -> int:
    """Return with which server a door begins: not all short-lived producers with the same one."""
    return os.urandom(1)[0]


class ShardedAdapter:
    """One thread's door to all of the servers; connects at its first use."""

    def __init__(self, open_members: Callable[[], Membership], clock: Clock) -> None:
        self._open_members = open_members
        self._clock = clock
        self._closed = False
        self._start_anew()

    def _start_anew(self) -> None:
        self._pid = os.getpid()
        self._waker = Waker()
        self._members = self._open_members()
        self._reserving = Reserving(self._members, self._waker, self._clock)
        self._turn = first_turn()

    @property
    def capabilities(self) -> Capabilities:
        """What all servers in reach can do."""
        self._check()
        found: list[Capabilities] = []
        for server in self._members.reached():
            with reaching(server):
                found.append(server.door.capabilities)
        if not found:
            raise self._members.unreached()
        return replace(found[0], max_body=min(each.max_body for each in found))

    def put(self, jobs: Sequence[NewJob]) -> Sequence[JobId | Existing | QueueError]:
        """Put jobs where they are taken; see `pulpo.adapter.QueueAdapter`."""
        self._check()
        check_new_jobs(jobs)
        if not jobs:
            return []
        self._turn += 1
        return spread(jobs, self._members.taking(), self._turn)

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
        return self._reserving.exchange(settlements, queues, limit=limit, timeout=timeout)

    def touch(self, jobs: Sequence[Job]) -> Sequence[bool | QueueError]:
        """Renew leases; see `pulpo.adapter.QueueAdapter`."""
        return self._each(jobs, lambda server, own: server.door.touch(own), Server.unreached)

    def crashes(self, jobs: Sequence[Job]) -> Sequence[int]:
        """Count runs without a word; see `pulpo.adapter.QueueAdapter`."""
        return self._each(jobs, lambda server, own: server.door.crashes(own), lambda _: 0)

    def kicked(self, jobs: Sequence[Job]) -> Sequence[bool]:
        """Tell which jobs were kicked; see `pulpo.adapter.OwnClock`."""
        return self._each(jobs, lambda server, own: server.door.kicked(own), lambda _: False)

    def leave(self, jobs: Sequence[Job]) -> None:
        """Say that these runs end with this process; see `pulpo.adapter.QueueAdapter`."""

        def leave(server: Server, own: Sequence[Job]) -> Sequence[None]:
            server.door.leave(own)
            return [None] * len(own)

        self._each(jobs, leave, lambda _: None)

    def wake(self) -> None:
        """Let a waiting exchange return; any thread."""
        self._waker.ring()

    def close(self) -> None:
        """Close all connections: the servers give back every job at once."""
        if not self._closed:
            self._closed = True
            self._members.close()
            self._waker.close()

    def _check(self) -> None:
        if self._closed:
            raise QueueUnavailableError("this door to the beanstalkds is closed")
        if self._pid != os.getpid():
            self._start_anew()  # forked: the parent's jobs are the parent's

    def _each(
        self,
        jobs: Sequence[Job],
        ask: Callable[[Server, Sequence[Job]], Sequence[Answer]],
        otherwise: Callable[[Server], Answer],
    ) -> list[Answer]:
        """Ask each server about its own jobs; `otherwise` is said of those out of reach."""
        self._check()
        answers: dict[int, Answer] = {}
        own = by_place((job.number, job.token) for job in jobs)
        for server in self._members.those(own):
            indexes = [index for index, _ in own[server.place]]
            theirs = [job for _, job in own[server.place] if isinstance(job, Job)]
            answers.update((index, otherwise(server)) for index in indexes)
            if server.answers:
                with reaching(server):
                    answers.update(zip(indexes, ask(server, theirs), strict=True))
        return [answers[index] for index in range(len(jobs))]
