"""The port on a file: puts are synced, claims and settles share one transaction, waiting is free.

The parts are in `trading` (settle and reserve), `waiting` and `rows`; here is who calls them.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterable, Sequence

from pulpo.adapters.sqlite import statements as sql
from pulpo.adapters.sqlite.database import Database, Ready
from pulpo.adapters.sqlite.room import Room
from pulpo.adapters.sqlite.rows import Moment, State, due, ready_rows, row, too_big
from pulpo.adapters.sqlite.trading import Trader
from pulpo.adapters.sqlite.waiting import wait
from pulpo.errors import PublishUncertainError, QueueError, QueueUnavailableError
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

__all__ = ["SQLiteAdapter"]

# No transaction keeps other writers out for longer than so many rows take.
_MOST_ROWS = 2_000
_READY = State.READY.value


class SQLiteAdapter:
    """A door to a queue file for one thread, `wake` excepted."""

    def __init__(self, database: Database, *, max_body: int) -> None:
        self._database = database
        self._capabilities = Capabilities(engine="sqlite", max_body=max_body, guards=True)
        self._room = Room(database.path.parent, database.clock)
        self._begin()

    def _begin(self) -> None:
        self._pid = os.getpid()
        self._waker = Waker()
        self._trader = Trader(self._database, room=self._room, max_body=self._capabilities.max_body)

    @property
    def capabilities(self) -> Capabilities:
        """What a queue file can do; opens nothing."""
        return self._capabilities

    def put(self, jobs: Sequence[NewJob]) -> Sequence[JobId | Existing | QueueError]:
        """Accept jobs: on disk when this returns, unless the URL says `sync=normal`."""
        check_new_jobs(jobs)
        self._leave_to_parent()
        if len(jobs) == 1 and len(jobs[0].body) <= self._capabilities.max_body:
            return [self._insert_one(jobs[0])]
        answers: list[JobId | Existing | QueueError] = [
            too_big(job, self._capabilities.max_body) or job.id for job in jobs
        ]
        fitting = [place for place, answer in enumerate(answers) if isinstance(answer, str)]
        for start in range(0, len(fitting), _MOST_ROWS):
            places = fitting[start : start + _MOST_ROWS]
            try:
                found = self._insert([jobs[place] for place in places])
            except QueueError as error:
                if isinstance(error, QueueUnavailableError) and start == 0:
                    raise
                found = [_in_place(error, jobs[place]) for place in places]
            if found is not None:
                for place, answer in zip(places, found, strict=True):
                    answers[place] = answer
        return answers

    def exchange(
        self,
        settlements: Sequence[Settlement],
        queues: Sequence[str],
        *,
        limit: int,
        timeout: float,
    ) -> tuple[Sequence[bool | QueueError], Sequence[Job]]:
        """Settle and reserve in one transaction; then wait, where nothing was ready."""
        check_exchange(settlements, queues, limit=limit, timeout=timeout)
        self._leave_to_parent()
        queues = tuple(dict.fromkeys(queues))  # one that is named twice would give its jobs twice
        answers: Sequence[bool | QueueError] = ()
        jobs: Sequence[Job] = ()
        if settlements:
            answers, jobs = self._trader.trade(settlements, queues, limit=limit)
        elif limit:
            jobs = self._reserve(queues, limit)
        if not jobs and timeout > 0:
            jobs = self._wait(queues, limit, timeout, settled=bool(settlements))
        return answers, jobs

    def touch(self, jobs: Sequence[Job]) -> Sequence[bool | QueueError]:
        """Start the leases of these jobs anew."""
        self._leave_to_parent()
        return self._trader.touch(jobs) if jobs else []

    def crashes(self, jobs: Sequence[Job]) -> Sequence[int]:
        """Return how many runs of these jobs ended without a word."""
        return [job.crashes or 0 for job in jobs]

    def leave(self, jobs: Sequence[Job]) -> None:
        """Count no crash for runs that end with this process; see `pulpo.adapter.QueueAdapter`."""
        self._leave_to_parent()
        if jobs:
            self._trader.leave(jobs)

    def wake(self) -> None:
        """Let a waiting `exchange`, or the next one that would wait, return now; any thread."""
        self._waker.ring()

    def close(self) -> None:
        """Give back every job that is held, no crash counted, and let go of the file."""
        self._leave_to_parent()
        self._trader.membership.leave()
        self._database.close()
        self._waker.close()

    def _insert_one(self, job: NewJob) -> JobId | Existing | QueueError:
        try:
            answers = self._insert((job,))
        except QueueUnavailableError:
            raise
        except QueueError as error:
            return _in_place(error, job)
        return job.id if answers is None else answers[0]

    def _insert(self, jobs: Sequence[NewJob]) -> Sequence[JobId | Existing | QueueError] | None:
        """Insert jobs; return the answers where any of them has guards."""
        self._database.connection  # noqa: B018  # makes the folder whose disk is looked at
        if full := self._room.refusal(sum([len(job.body) for job in jobs])):
            raise full
        now = self._trader.upkeep.now()
        answers = None
        at_once = ready_rows(jobs)

        def insert(connection: sqlite3.Connection, ready: Ready) -> None:
            if at_once is not None:
                connection.executemany(sql.INSERT_READY, at_once)
                _count(ready, [job.queue for job in jobs])
                return
            rows = [row(job, due(job, now)) for job in jobs]
            connection.executemany(sql.INSERT, rows)
            _count(ready, (each[2] for each in rows if each[4] == _READY))

        if at_once is not None or not any(job.guards for job in jobs):
            self._database.write(insert, synced=True)
        else:
            answers = self._accept(jobs, now)
        self._trader.pace.note(now.boot, synced=True)
        return answers

    def _accept(
        self, jobs: Sequence[NewJob], now: Moment
    ) -> Sequence[JobId | Existing | QueueError]:
        # Plain jobs do without.
        from pulpo.adapters.sqlite.accepting import accept as accept_one  # noqa: PLC0415
        from pulpo.adapters.sqlite.side import Now  # noqa: PLC0415

        moment = Now(self._database.clock, now)
        most = self._capabilities.max_body

        def accept(
            connection: sqlite3.Connection, ready: Ready
        ) -> list[JobId | Existing | QueueError]:
            return [accept_one(connection, ready, job, moment, max_body=most) for job in jobs]

        return self._database.write(accept, synced=True)

    def _reserve(self, queues: Sequence[str], limit: int) -> Sequence[Job]:
        jobs: Sequence[Job] = ()
        # Again and again: what is due may lie behind a thousand jobs that are due elsewhere.
        while not jobs and self._trader.look(queues).worth_it:
            _, jobs = self._trader.trade((), queues, limit=limit)
        return jobs

    def _wait(
        self, queues: Sequence[str], limit: int, timeout: float, *, settled: bool
    ) -> Sequence[Job]:
        try:
            return wait(
                self._database, self._trader, self._waker, queues, limit=limit, timeout=timeout
            )
        except QueueError:
            if settled:  # what is settled must be said; the next call will raise
                return ()
            raise

    def _leave_to_parent(self) -> None:
        """In a forked child: begin anew, and hold none of the parent's jobs."""
        if self._pid != os.getpid():
            self._waker.close()
            self._begin()


def _count(ready: Ready, queues: Iterable[str]) -> None:
    for queue in queues:
        ready[queue] = ready.get(queue, 0) + 1


def _in_place(error: QueueError, job: NewJob) -> QueueError:
    if isinstance(error, PublishUncertainError):
        return PublishUncertainError(f"{error}; job {job.id!r}", id=job.id)
    return error
