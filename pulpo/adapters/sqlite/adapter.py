"""The port on a file: puts are synced, claims and settles share one transaction and one sync a
second, waiting costs nothing.

What the statements are is in `statements`, what each verb does in `settling` and `claiming`.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Sequence

from pulpo.adapters.sqlite import statements as sql
from pulpo.adapters.sqlite.claiming import Look, claim, look
from pulpo.adapters.sqlite.database import Database, Ready
from pulpo.adapters.sqlite.doorbells import Doorbell
from pulpo.adapters.sqlite.membership import Membership
from pulpo.adapters.sqlite.pace import SyncPace
from pulpo.adapters.sqlite.room import Room
from pulpo.adapters.sqlite.rows import Row, State, check_jobs, due, row, too_big
from pulpo.adapters.sqlite.settling import Settling, check_settlements
from pulpo.adapters.sqlite.troubles import translated
from pulpo.adapters.sqlite.upkeep import Upkeep
from pulpo.errors import PublishUncertainError, QueueError, QueueUnavailableError, UsageError
from pulpo.identity import check_queue
from pulpo.job import Capabilities, Job, JobId, NewJob, Settlement
from pulpo.system import Waker, wait_any

__all__ = ["SQLiteAdapter"]

# No transaction keeps other writers out for longer than so many rows take.
_MOST_ROWS = 2_000
# The safety net under the doorbells, in seconds.
_SLOW_POLL = 1.0
# How often a busy worker asks the kernel whether other holders of jobs live.
_BETWEEN_ROLL_CALLS = 0.1


class SQLiteAdapter:
    """A door to a queue file for one thread, `wake` excepted."""

    def __init__(self, database: Database, *, max_body: int) -> None:
        self._database = database
        self._upkeep = Upkeep(database)
        self._room = Room(database.path.parent, database.clock)
        self._capabilities = Capabilities(engine="sqlite", max_body=max_body)
        self._waker = Waker()
        self._pid = os.getpid()
        self._membership = Membership(database, self._upkeep)
        self._pace = SyncPace()
        self._known: set[str] = set()
        self._called_at = float("-inf")
        self._fence = 0

    @property
    def capabilities(self) -> Capabilities:
        """What a queue file can do; opens nothing."""
        return self._capabilities

    def put(self, jobs: Sequence[NewJob]) -> Sequence[JobId | QueueError]:
        """Accept jobs: on disk when this returns, unless the URL says `sync=normal`."""
        check_jobs(jobs)
        self._forget_parent()
        answers: list[JobId | QueueError] = [
            too_big(job, self._capabilities.max_body) or job.id for job in jobs
        ]
        fitting = [place for place, answer in enumerate(answers) if isinstance(answer, str)]
        for start in range(0, len(fitting), _MOST_ROWS):
            places = fitting[start : start + _MOST_ROWS]
            try:
                self._insert([jobs[place] for place in places])
            except QueueError as error:
                if isinstance(error, QueueUnavailableError) and start == 0:
                    raise
                for place in places:
                    answers[place] = _in_place(error, jobs[place])
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
        self._check_exchange(settlements, queues, limit, timeout)
        self._forget_parent()
        if not queues:
            limit = 0
        answers: Sequence[bool | QueueError] = ()
        jobs: Sequence[Job] = ()
        if settlements:
            answers, jobs = self._trade(settlements, queues, limit)
        elif limit and self._look(queues).worth_it:
            _, jobs = self._trade((), queues, limit)
        if not jobs and timeout > 0:
            jobs = self._wait(queues, limit, timeout)
        return answers, jobs

    def touch(self, jobs: Sequence[Job]) -> Sequence[bool | QueueError]:
        """Start the leases of these jobs anew."""
        self._forget_parent()
        now = self._upkeep.now()
        me = self._membership.number

        def renew(connection: sqlite3.Connection, _: Ready) -> list[bool | QueueError]:
            keys = [(now.boot, job.number, job.token, me) for job in jobs]
            return [connection.execute(sql.TOUCH, key).rowcount == 1 for key in keys]

        return self._database.write(renew, synced=False) if jobs else []

    def crashes(self, jobs: Sequence[Job]) -> Sequence[int]:
        """Return how many runs of these jobs ended without a word."""
        return [job.crashes or 0 for job in jobs]

    def wake(self) -> None:
        """Let a waiting `exchange`, or the next one that would wait, return now; any thread."""
        self._waker.ring()

    def close(self) -> None:
        """Give back every job that is held, no crash counted, and let go of the file."""
        self._forget_parent()
        self._membership.leave()
        self._database.close()
        self._waker.close()

    # Putting

    def _insert(self, jobs: Sequence[NewJob]) -> None:
        self._database.connection  # noqa: B018  # makes the folder whose disk is looked at
        if full := self._room.refusal(sum(len(job.body) for job in jobs)):
            raise full
        now = self._upkeep.now()
        rows = [row(job, due(job, now)) for job in jobs]

        def insert(connection: sqlite3.Connection, ready: Ready) -> None:
            connection.executemany(sql.INSERT, rows)
            ready |= _ready_among(rows)

        self._database.write(insert, synced=True)
        self._pace.note(now.boot, synced=True)

    # Settling and reserving

    def _check_exchange(
        self, settlements: Sequence[Settlement], queues: Sequence[str], limit: int, timeout: float
    ) -> None:
        for queue in queues:
            if queue not in self._known:
                self._known.add(check_queue(queue))
        if limit < 0:
            raise UsageError(f"limit must be 0 or more: {limit!r}")
        if not timeout >= 0:  # true for NaN too
            raise UsageError(f"timeout must be 0 or more seconds: {timeout!r}")
        check_settlements(settlements)

    def _trade(
        self,
        settlements: Sequence[Settlement],
        queues: Sequence[str],
        limit: int,
        *,
        roll_call: bool = True,
    ) -> tuple[Sequence[bool | QueueError], Sequence[Job]]:
        owner = self._membership.enter().number if limit else self._membership.number
        now = self._upkeep.now()
        follow = sum(len(job.body) for s in settlements for job in s.then)
        settling = Settling(
            settlements,
            owner=owner,
            now=now,
            max_body=self._capabilities.max_body,
            full=self._room.refusal(follow) if follow else None,
        )
        if settlements and now.boot - self._called_at < _BETWEEN_ROLL_CALLS:
            roll_call = False
        if roll_call:
            self._called_at = now.boot

        def trade(
            connection: sqlite3.Connection, ready: Ready
        ) -> tuple[list[bool | QueueError], list[Job]]:
            answers = settling.run(connection, ready) if settlements else []
            if not limit:
                return answers, []
            return answers, claim(
                connection,
                ready,
                self._upkeep,
                queues,
                limit=limit,
                owner=owner,
                fence=self._fence,
                now=now,
                roll_call=roll_call,
            )

        self._fence += 1
        synced = self._pace.is_due(now.boot)
        try:
            result = self._database.write(trade, synced=synced)
        except QueueUnavailableError:
            raise
        except QueueError as error:  # the disk is full, or failed: nothing can be said yet
            if not settlements:
                raise QueueUnavailableError(str(error)) from error
            return [error] * len(settlements), ()
        self._pace.note(now.boot, synced=synced)
        return result

    # Waiting

    def _look(self, queues: Sequence[str]) -> Look:
        now = self._upkeep.now()
        me = self._membership.number
        try:
            return look(self._database.connection, self._upkeep, queues, me, now)
        except sqlite3.Error as error:
            raise translated(error, self._database.path) from error

    def _wait(self, queues: Sequence[str], limit: int, timeout: float) -> Sequence[Job]:
        jobs: Sequence[Job] = ()
        bell = self._membership.bell() if limit else None
        fds = [self._waker.fileno(), *([bell.fileno()] if bell else [])]
        while timeout > 0 and not jobs:
            soonest = _SLOW_POLL
            if limit:
                jobs, soonest = self._listen(bell, queues, limit)
            if jobs:
                break
            rung, elapsed = wait_any(fds, min(timeout, soonest, _SLOW_POLL))
            timeout -= elapsed
            if self._waker.fileno() in rung:
                self._waker.silence()
                break
            if rung:  # a publisher has called: no need to look first
                _, jobs = self._trade((), queues, limit, roll_call=False)
            self._sync_if_idle()
        if bell is not None and bell.leave() and not jobs:
            # Somebody has rung us for a job that we leave to others: let them know.
            self._database.doorbells.ring(dict.fromkeys(queues, 1))
        return jobs

    def _listen(
        self, bell: Doorbell | None, queues: Sequence[str], limit: int
    ) -> tuple[Sequence[Job], float]:
        if bell is not None:
            bell.listen(queues)  # before the look, or a put between the two would ring nobody
        self._database.check_file()
        found = self._look(queues)
        if not found.worth_it:
            return (), found.soonest
        _, jobs = self._trade((), queues, limit)
        return jobs, 0.01  # nothing: another one was faster, look again soon

    def _sync_if_idle(self) -> None:
        now = self._upkeep.now()
        if self._pace.is_due(now.boot):
            fact = ("synced", f"{now.wall:.3f}")
            self._database.write(lambda c, _: c.execute(sql.SAY, fact), synced=True)
            self._pace.note(now.boot, synced=True)

    def _forget_parent(self) -> None:
        """In a forked child: begin anew, and hold none of the parent's jobs."""
        if self._pid != os.getpid():
            self._pid = os.getpid()
            self._membership.forget()
            self._waker.close()
            self._waker = Waker()
            self._pace = SyncPace()


def _ready_among(rows: Sequence[Row]) -> Ready:
    ready: Ready = {}
    for _, _, queue, _, state, *_ in rows:
        if state == State.READY:
            ready[queue] = ready.get(queue, 0) + 1
    return ready


def _in_place(error: QueueError, job: NewJob) -> QueueError:
    if isinstance(error, PublishUncertainError):
        return PublishUncertainError(f"{error}; job {job.id!r}", id=job.id)
    return error
