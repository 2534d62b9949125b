"""What an operator asks of a queue file; every change is synced before it returns."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence
from typing import TypeVar

from pulpo.adapters.sqlite import census
from pulpo.adapters.sqlite.database import Database, Ready
from pulpo.adapters.sqlite.rows import Due, Moment, State, check_jobs, due, row, too_big
from pulpo.adapters.sqlite.troubles import translated
from pulpo.adapters.sqlite.upkeep import Upkeep
from pulpo.errors import UsageError
from pulpo.identity import check_queue
from pulpo.job import JobId, JobState, ListedJob, NewJob, QueueStats

__all__ = ["SQLiteAdmin"]

T = TypeVar("T")

_FIND = "SELECT number, queue, state FROM jobs WHERE id = ? ORDER BY number"
_KICK = """
UPDATE jobs SET state = 0, moment = NULL, due_wall = NULL WHERE number = ?
"""
_BURY = "UPDATE jobs SET state = 4, moment = ?, due_wall = NULL WHERE number = ?"
_BURIED = """
SELECT number, queue FROM jobs WHERE state = 4 AND moment IS NOT NULL AND queue = ?
"""
_DELETE = "DELETE FROM jobs WHERE number = ?"
_EDIT = """
UPDATE jobs SET id = ?, type = ?, queue = ?, priority = ?, state = ?, moment = ?, due_wall = ?,
owner = 0, crashes = 0, ttr = ?, expires = ?, body = ? WHERE number = ?
"""
_PAUSE = "INSERT OR REPLACE INTO pauses (queue, moment, until) VALUES (?, ?, ?)"
_RESUME = "DELETE FROM pauses WHERE queue = ?"
_READY_COUNT = "SELECT count(*) FROM jobs WHERE state = 0 AND queue = ?"
# An operator holds no jobs, so every lease that has ended is somebody else's.
_NOBODY = -1
_WAITING = (State.READY, State.DELAYED, State.SCHEDULED)
_KICKED = (State.BURIED, State.DELAYED, State.SCHEDULED)


class SQLiteAdmin:
    """An operator's door to a queue file, for one thread."""

    def __init__(self, database: Database, *, max_body: int) -> None:
        self._database = database
        self._upkeep = Upkeep(database)
        self._max_body = max_body

    # Looking

    def queues(self) -> Sequence[str]:
        """Return the names of the queues that hold jobs or are paused, sorted."""
        return self._look(lambda connection, _: census.queues(connection))

    def stats(self, queue: str) -> QueueStats:
        """Count the jobs of a queue, as they would be if a worker came by now."""
        check_queue(queue)
        return self._look(
            lambda connection, now: census.stats(connection, queue, now, self._dead(connection))
        )

    def list(
        self, queue: str | None = None, state: JobState | None = None, *, limit: int = 100
    ) -> Sequence[ListedJob]:
        """Return jobs, in the order in which they would run."""
        if queue is not None:
            check_queue(queue)
        if limit < 0:
            raise UsageError(f"limit must be 0 or more: {limit!r}")
        return self._look(
            lambda connection, now: census.listed(
                connection, queue, state, limit, now, self._dead(connection)
            )
        )

    def peek(self, ids: Sequence[JobId]) -> Sequence[ListedJob | None]:
        """Look at jobs without touching them; None for an id that nobody has."""
        return self._look(
            lambda connection, now: census.peeked(connection, ids, now, self._dead(connection))
        )

    # Changing

    def kick(self, ids: Sequence[JobId]) -> Sequence[bool]:
        """Make buried or delayed jobs ready now."""

        def kick_one(connection: sqlite3.Connection, ready: Ready, id: JobId) -> bool:
            found = connection.execute(_FIND, (id,)).fetchall()
            waiting = [(number, queue) for number, queue, state in found if state in _KICKED]
            _make_ready(connection, ready, waiting)
            return bool(waiting)

        return self._each(ids, kick_one)

    def kick_all(self, queue: str) -> int:
        """Make all buried jobs of a queue ready; return how many."""
        check_queue(queue)

        def kick(connection: sqlite3.Connection, ready: Ready) -> int:
            buried = connection.execute(_BURIED, (queue,)).fetchall()
            _make_ready(connection, ready, buried)
            return len(buried)

        return self._change(kick)

    def bury(self, ids: Sequence[JobId]) -> Sequence[bool]:
        """Put ready or delayed jobs aside."""
        now = self._upkeep.now()

        def bury_one(connection: sqlite3.Connection, _: Ready, id: JobId) -> bool:
            found = connection.execute(_FIND, (id,)).fetchall()
            waiting = [(now.wall, number) for number, _, state in found if state in _WAITING]
            connection.executemany(_BURY, waiting)
            return bool(waiting)

        return self._each(ids, bury_one)

    def delete(self, ids: Sequence[JobId]) -> Sequence[bool]:
        """Delete jobs that are not being run."""

        def delete_one(connection: sqlite3.Connection, _: Ready, id: JobId) -> bool:
            found = connection.execute(_FIND, (id,)).fetchall()
            idle = [(number,) for number, _, state in found if state != State.RESERVED]
            connection.executemany(_DELETE, idle)
            return bool(idle)

        return self._each(ids, delete_one)

    def edit(self, id: JobId, rewritten: NewJob) -> bool:
        """Put a rewritten job in the place of one that is not being run, in the same state.

        Raises `JobTooBigError`.
        """
        check_jobs((rewritten,))
        if error := too_big(rewritten, self._max_body):
            raise error

        def edit(connection: sqlite3.Connection, ready: Ready) -> bool:
            now = self._upkeep.now()
            for number, _, state in connection.execute(_FIND, (id,)).fetchall():
                if state != State.RESERVED:
                    _rewrite(connection, ready, number, state, rewritten, now)
                    return True
            return False

        return self._change(edit)

    def pause(self, queue: str, seconds: float | None = None) -> None:
        """Let nobody reserve from a queue, for so many seconds or until `resume`."""
        check_queue(queue)
        if seconds is not None and not 0 < seconds < float("inf"):
            raise UsageError(f"a pause must be more than 0 seconds: {seconds!r}")
        now = self._upkeep.now()
        end = (None, None) if seconds is None else (now.boot + seconds, now.wall + seconds)
        self._change(lambda connection, _: connection.execute(_PAUSE, (queue, *end)))

    def resume(self, queue: str) -> None:
        """End a pause, and wake who has waited for it."""
        check_queue(queue)

        def resume(connection: sqlite3.Connection, ready: Ready) -> None:
            if connection.execute(_RESUME, (queue,)).rowcount:
                ready[queue] = connection.execute(_READY_COUNT, (queue,)).fetchone()[0]

        self._change(resume)

    def close(self) -> None:
        """Let go of the file; twice is once."""
        self._database.close()

    def _dead(self, connection: sqlite3.Connection) -> set[int]:
        return set(self._upkeep.dead_holders(connection, _NOBODY))

    def _look(self, work: Callable[[sqlite3.Connection, Moment], T]) -> T:
        now = self._upkeep.now()
        with self._database.no_fork:
            connection = self._database.connection
            self._database.check_file()
            try:
                connection.execute("BEGIN")  # one picture for all its queries
                try:
                    return work(connection, now)
                finally:
                    connection.execute("COMMIT")
            except sqlite3.Error as error:
                raise translated(error, self._database.path) from error

    def _change(self, work: Callable[[sqlite3.Connection, Ready], T]) -> T:
        now = self._upkeep.now()

        def change(connection: sqlite3.Connection, ready: Ready) -> T:
            # First what should have happened by itself: a dead worker's job can be deleted.
            self._upkeep.promote(connection, ready, now, me=_NOBODY)
            self._upkeep.take_back(connection, ready, self._dead(connection))
            return work(connection, ready)

        return self._database.write(change, synced=True)

    def _each(
        self, ids: Sequence[JobId], one: Callable[[sqlite3.Connection, Ready, JobId], bool]
    ) -> Sequence[bool]:
        return self._change(lambda connection, ready: [one(connection, ready, key) for key in ids])


def _make_ready(
    connection: sqlite3.Connection, ready: Ready, jobs: Sequence[tuple[int, str]]
) -> None:
    connection.executemany(_KICK, [(number,) for number, _ in jobs])
    for _, queue in jobs:
        ready[queue] = ready.get(queue, 0) + 1


def _rewrite(
    connection: sqlite3.Connection,
    ready: Ready,
    number: int,
    state: int,
    job: NewJob,
    now: Moment,
) -> None:
    when = due(job, now) if state != State.BURIED else Due(State.BURIED, now.wall, None)
    connection.execute(_EDIT, (*row(job, when), number))
    if when.state == State.READY:
        ready[job.queue] = ready.get(job.queue, 0) + 1
