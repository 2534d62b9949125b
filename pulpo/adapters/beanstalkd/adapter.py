"""The queue port on beanstalkd: settle and reserve in one flight.

This file checks the call and puts the pieces in order; how jobs are put, settled and reserved is
told by its neighbours.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import replace

from pulpo.adapters.beanstalkd import commands
from pulpo.adapters.beanstalkd.link import Awaited, Kind, Link
from pulpo.adapters.beanstalkd.putting import put_jobs, too_big
from pulpo.adapters.beanstalkd.reserving import Reserving, hand_back_waiting
from pulpo.adapters.beanstalkd.settling import Settling
from pulpo.adapters.beanstalkd.switchboard import Flight, Switchboard, unavailable
from pulpo.clock import Clock
from pulpo.errors import QueueError, QueueUnavailableError, UsageError
from pulpo.identity import check_queue
from pulpo.job import Capabilities, Job, JobId, NewJob, Settlement, check_new_job
from pulpo.system import Waker

__all__ = ["BeanstalkdAdapter"]

# How long a job may lie here that arrived while there was no room for it.
_LONGEST_STASH = 0.02
_NOT_ENVELOPE = 0x7B  # "{", a JSON job: its body says neither queue nor priority


class BeanstalkdAdapter:
    """One thread's door to a beanstalkd; connects at its first use."""

    def __init__(
        self, open_link: Callable[[], Link], clock: Clock, *, reply_timeout: float
    ) -> None:
        self._open_link = open_link
        self._clock = clock
        self._reply_timeout = reply_timeout
        self._waker = Waker()
        self._closed = False
        self._start_anew()

    def _start_anew(self) -> None:
        self._pid = os.getpid()
        self._board = Switchboard(self._open_link, self._clock)
        self._settling = Settling(self._board, self._clock)
        self._reserving = Reserving(self._board, self._waker, self._clock)
        self._stashed_since: float | None = None

    @property
    def capabilities(self) -> Capabilities:
        """What this server can do; asks it for its largest job."""
        self._check()
        link = self._board.links[0] if self._board.links else self._board.open()
        return Capabilities(
            engine="beanstalkd",
            max_body=link.max_body,
            delay_unit=1.0,
            keeps_pause=False,
            counts_crashes=False,
        )

    def put(self, jobs: Sequence[NewJob]) -> Sequence[JobId | QueueError]:
        """Put jobs; see `pulpo.adapter.QueueAdapter`."""
        self._check()
        for job in jobs:
            check_new_job(job)
        if not jobs:
            return []
        link = self._fresh_link()
        results: list[JobId | QueueError] = [too_big(job, link.max_body) or "" for job in jobs]
        fitting = [job for job, result in zip(jobs, results, strict=True) if result == ""]
        try:
            answers = iter(
                put_jobs(link, fitting, self._clock, patience=self._reply_timeout)
                if fitting
                else ()
            )
        finally:
            if link.broken:
                self._board.drop(link)
        for index, job in enumerate(jobs):
            if results[index] == "":
                answer = next(answers)
                results[index] = answer if isinstance(answer, QueueError) else job.id
        return results

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
        if limit < 0 or not timeout >= 0:
            raise UsageError(f"limit and timeout must be 0 or more: {limit!r}, {timeout!r}")
        for queue in queues:
            check_queue(queue)
        if limit and not queues:
            raise UsageError("queues must name at least one queue to reserve from")
        board = self._board
        board.drain()
        board.reclaim()
        self._settling.prepare(settlements)
        flight = Flight()
        self._settling.add_to(flight, settlements)
        room = 0 if self._is_full() else limit - len(board.arrived)
        if room > 0:
            self._reserving.add_to(flight, queues, limit=room, wait=timeout > 0)
        before = len(board.arrived)
        board.fly(flight)
        self._reserving.learn(len(board.arrived) - before)
        results = self._settling.results(settlements)
        if not board.arrived and timeout > 0:
            reserve = limit > 0 and not self._is_full()
            self._reserving.wait(queues, timeout=timeout, reserve=reserve)
        elif not board.arrived and room > 0:
            self._reserving.catch_up()
        return results, self._deliver(limit)

    def touch(self, jobs: Sequence[Job]) -> Sequence[bool | QueueError]:
        """Renew leases; see `pulpo.adapter.QueueAdapter`."""
        self._check()
        board = self._board
        board.drain()
        board.reclaim()
        board.touched.clear()
        flight = Flight()
        for job in jobs:
            link = board.holder(job.number)
            if link is not None and not link.awaited:
                flight.add(link, commands.touch(job.number), Awaited(Kind.TOUCH, job.number))
        board.fly(flight)
        return [
            board.touched.get(job.number, unavailable(job.number))
            if job.number in board.running or job.number in board.touched
            else False
            for job in jobs
        ]

    def crashes(self, jobs: Sequence[Job]) -> Sequence[int]:
        """Count runs without a word, from the server's own counters, in one flight."""
        self._check()
        if not jobs:
            return []
        asked = self._board.ask(
            [(commands.stats_job(job.number), Awaited(Kind.STATS, job.number)) for job in jobs]
        )
        counts = []
        for job in jobs:
            reply = asked.get(job.number)
            stats = commands.parse_stats(reply.data or b"") if reply else {}
            reserves, releases, buries, kicks = (
                int(stats.get(name, 0)) for name in ("reserves", "releases", "buries", "kicks")
            )
            # A restart of the server adds a bury to each buried job, hence the smaller of the two.
            counts.append(max(reserves - 1 - releases - min(buries, kicks), 0))
        return counts

    def wake(self) -> None:
        """Let a waiting exchange return; any thread."""
        self._waker.ring()

    def close(self) -> None:
        """Close the connections: the server gives back every job at once."""
        if not self._closed:
            self._closed = True
            if self._pid == os.getpid():
                self._release_all()
                self._board.close()
            self._waker.close()

    def _release_all(self) -> None:
        # A closed socket would do, but counts as a run that ended without a word.
        self._board.arrived.extend(
            job for job in self._board.running.values() if job not in self._board.arrived
        )
        if self._board.arrived:
            try:
                hand_back_waiting(self._board)
            except QueueError:
                return  # the server gives them back itself when the sockets close

    def _check(self) -> None:
        if self._closed:
            raise QueueUnavailableError("this door to beanstalkd is closed")
        if self._pid != os.getpid():
            # Forked: the parent's sockets were abandoned here, its jobs are the parent's.
            self._waker = Waker()
            self._start_anew()

    def _fresh_link(self) -> Link:
        link = self._board.ready_link()
        if link.is_stale():
            self._board.drop(link)
            link = self._board.ready_link()
        return link

    def _is_full(self) -> bool:
        return self._settling.full_until > self._clock.monotonic()

    def _deliver(self, limit: int) -> list[Job]:
        arrived = self._board.arrived
        jobs = [arrived.popleft() for _ in range(min(limit, len(arrived)))]
        self._watch_stash()
        foreign = [job for job in jobs if job.body[:1] == b"{"]
        return self._describe(jobs, foreign) if foreign else jobs

    def _watch_stash(self) -> None:
        if not self._board.arrived:
            self._stashed_since = None
            return
        now = self._clock.monotonic()
        if self._stashed_since is None:
            self._stashed_since = now
        elif now - self._stashed_since > _LONGEST_STASH:
            hand_back_waiting(self._board)
            self._stashed_since = None

    def _describe(self, jobs: list[Job], foreign: list[Job]) -> list[Job]:
        """Ask for queue, priority and ttr of JSON jobs, whose bodies do not say them."""
        asked = self._board.ask(
            [(commands.stats_job(job.number), Awaited(Kind.STATS, job.number)) for job in foreign]
        )
        described = []
        for job in jobs:
            reply = asked.get(job.number)
            if reply is not None and reply.data is not None:
                stats = commands.parse_stats(reply.data)
                job = replace(
                    job,
                    queue=stats.get("tube", job.queue),
                    priority=int(stats.get("pri", 65_536)),
                    ttr=float(stats.get("ttr", 60)),
                )
            described.append(job)
        return described
