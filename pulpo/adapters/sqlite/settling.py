"""Settling inside a transaction: what each verb does to the row of a reserved job.

Knows no file, no lock and no clock of its own.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

from pulpo.adapters.sqlite import statements as sql
from pulpo.adapters.sqlite.database import Ready
from pulpo.adapters.sqlite.rows import Due, Moment, State, due, row, too_big
from pulpo.clock import Clock
from pulpo.errors import QueueError
from pulpo.job import Job, NewJob, Settlement, Verb

__all__ = ["Settling"]


class Settling:
    """The settlements of one call, by one owner, at one moment.

    `max_body` bounds new jobs. `full` is why the disk takes no new ones, if it does not: the
    rewritten copy of an old one still goes in, the old one goes out for it.
    """

    def __init__(
        self,
        settlements: Sequence[Settlement],
        *,
        owner: int,
        now: Moment,
        clock: Clock,
        max_body: int,
        full: QueueError | None,
    ) -> None:
        self._settlements = settlements
        self._owner = owner
        self._now = now
        self._clock = clock
        self._max_body = max_body
        self._full = full

    def run(self, connection: sqlite3.Connection, ready: Ready) -> list[bool | QueueError]:
        """Settle everything; call it first in a transaction."""
        plain = [s for s in self._settlements if s.verb is Verb.DELETE and not s.then]
        if len(plain) > 1:
            keys = [self._key(settlement.job) for settlement in plain]
            if connection.executemany(sql.DELETE, keys).rowcount == len(keys):
                return [
                    (s.verb is Verb.DELETE and not s.then) or self._one(connection, ready, s)
                    for s in self._settlements
                ]
            # Some lease was lost, and the count does not say whose: one by one, then.
            connection.execute("ROLLBACK")
            connection.execute("BEGIN IMMEDIATE")
        return [self._one(connection, ready, settlement) for settlement in self._settlements]

    def _one(
        self, connection: sqlite3.Connection, ready: Ready, settlement: Settlement
    ) -> bool | QueueError:
        key = self._key(settlement.job)
        if refused := self._refusal(settlement.then):
            return refused if connection.execute(sql.HOLDS, key).fetchone() else False
        if settlement.verb is Verb.RELEASE:
            done = connection.execute(sql.RELEASE, key).rowcount == 1
            if done and settlement.job.queue is not None:
                queue = settlement.job.queue
                ready[queue] = ready.get(queue, 0) + 1
        else:
            done = connection.execute(sql.DELETE, key).rowcount == 1
            if done and settlement.rewritten is not None:
                self._insert_copy(connection, ready, settlement, settlement.rewritten)
        if done:
            for job in settlement.then:
                self._insert_new(connection, ready, job)
        return done

    def _insert_new(self, connection: sqlite3.Connection, ready: Ready, job: NewJob) -> None:
        if job.guards:
            from pulpo.adapters.sqlite.accepting import accept  # noqa: PLC0415  # as below
            from pulpo.adapters.sqlite.side import Now  # noqa: PLC0415

            now = Now(self._clock, self._now)
            accept(connection, ready, job, now, max_body=self._max_body)
        else:
            _insert(connection, ready, job, due(job, self._now))

    def _refusal(self, then: Sequence[NewJob]) -> QueueError | None:
        if not then:
            return None
        return self._full or next(
            filter(None, (too_big(job, self._max_body) for job in then)), None
        )

    def _insert_copy(
        self,
        connection: sqlite3.Connection,
        ready: Ready,
        settlement: Settlement,
        copy: NewJob,
    ) -> None:
        if settlement.verb is Verb.DELETE:
            return
        # A story too long for the queue must not cost the job: then it goes on without it.
        body = settlement.job.body if too_big(copy, self._max_body) else copy.body
        when = due(copy, self._now)
        if settlement.verb is Verb.BURY:
            when = Due(State.BURIED.value, self._now.wall, None)
        _insert(connection, ready, copy, when, body)

    def _key(self, job: Job) -> tuple[int, int, int]:
        fence = job.token if isinstance(job.token, int) else -1
        return job.number, fence, self._owner


def _insert(
    connection: sqlite3.Connection,
    ready: Ready,
    job: NewJob,
    when: Due,
    body: bytes | None = None,
) -> None:
    if job.guards:
        # Plain jobs do without.
        from pulpo.adapters.sqlite.holding import insert_guarded  # noqa: PLC0415

        insert_guarded(connection, ready, job, when, body)
        return
    connection.execute(sql.INSERT, row(job, when, body))
    if when.state == State.READY:
        ready[job.queue] = ready.get(job.queue, 0) + 1
