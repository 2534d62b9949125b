"""What an operator asks of a queue file; every change but a wake-up is synced before it returns."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Collection, Iterator, Sequence
from functools import partial
from typing import TypeVar

from pulpo.adapters.sqlite import census
from pulpo.adapters.sqlite.changing import carry_out
from pulpo.adapters.sqlite.database import Database, Ready
from pulpo.adapters.sqlite.holding import holder
from pulpo.adapters.sqlite.naming import START, delete_named, edit_named, kick_named, kick_some
from pulpo.adapters.sqlite.rows import Moment, too_big
from pulpo.adapters.sqlite.sampling import sample
from pulpo.adapters.sqlite.side import Now
from pulpo.adapters.sqlite.troubles import translated
from pulpo.adapters.sqlite.upkeep import Upkeep
from pulpo.adapters.sqlite.walking import Narrow, newest, seen_again, walk
from pulpo.errors import QueueError, UsageError
from pulpo.identity import check_queue
from pulpo.job import (
    Act,
    Change,
    Existing,
    JobId,
    JobState,
    ListedJob,
    NewJob,
    Page,
    QueueStats,
    Sighting,
    check_changes,
    check_new_job,
)

__all__ = ["SQLiteAdmin"]

T = TypeVar("T")

_PAUSE = "INSERT OR REPLACE INTO pauses (queue, moment, until) VALUES (?, ?, ?)"
_RESUME = "DELETE FROM pauses WHERE queue = ?"
_READY_COUNT = "SELECT count(*) FROM jobs WHERE state = 0 AND queue = ?"
# An operator holds no jobs, so every lease that has ended is somebody else's.
_NOBODY = -1


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

    def walk(
        self,
        queue: str | None = None,
        state: JobState | None = None,
        *,
        type: str | None = None,
        bodies: bool = True,  # noqa: ARG002  # they lie beside the rest
    ) -> Iterator[Page]:
        """Look at all jobs, in a short transaction for each page."""
        if queue is not None:
            check_queue(queue)
        return walk(self._look_with_dead, Narrow(queue, state, type))

    def newest(self, limit: int = 1_000) -> Sequence[ListedJob]:
        """Return the last jobs that were put; see `pulpo.adapter.QueueAdmin`."""
        return self._look_with_dead(lambda *at: newest(*at, limit=limit))

    def look(self, jobs: Sequence[Sighting]) -> Sequence[ListedJob | None]:
        """Look once more at jobs that were seen."""
        return self._look_with_dead(lambda *at: seen_again(*at, jobs=jobs))

    def sample(self) -> Iterator[Sequence[ListedJob]]:
        """Yield every job, in pages; no lock and no transaction is kept from page to page."""
        return sample(self._look_with_dead)

    def ahead(self, job: ListedJob) -> tuple[int, int]:
        """Count the ready jobs that go before one, exactly."""
        count = self._look(lambda connection, _: census.ahead(connection, job))
        return count, count

    def holders(self, keys: Sequence[str]) -> Sequence[Existing | None]:
        """Return who holds these keys; see `pulpo.adapter.Guarding`."""

        def look(connection: sqlite3.Connection, now: Moment) -> list[Existing | None]:
            moment = Now(self._database.clock, now)
            found = [holder(connection, key, moment) for key in keys]
            return [held and Existing(held.id, held.queue) for held in found]

        return self._look(look)

    # Changing

    def change(self, changes: Sequence[Change]) -> Sequence[bool | QueueError]:
        """Change jobs that were seen, in one transaction; see `pulpo.adapter.QueueAdmin`."""
        check_changes(changes)
        return self._carry_out(changes, synced=True) if changes else []

    def wake_up(self, jobs: Sequence[Sighting]) -> Sequence[bool | QueueError]:
        """Make jobs ready that were put aside, without a sync; see `pulpo.adapter.WakesUp`."""
        return self._carry_out([Change(Act.KICK, job) for job in jobs], synced=False)

    def kick(self, ids: Sequence[JobId]) -> Sequence[bool]:
        """Make buried or delayed jobs ready now."""

        def kick(connection: sqlite3.Connection, ready: Ready) -> list[bool]:
            at = (self._upkeep.now(), self._database.clock)
            return [kick_named(connection, ready, each, *at) for each in ids]

        return self._change(kick)

    def kick_all(self, queue: str) -> int:
        """Make all buried jobs of a queue ready, a batch at a time; return how many.

        Those that are buried anew meanwhile are not chased after.
        """
        left, kicked, since = self.stats(queue).buried, 0, START
        while left > 0:
            at = (self._upkeep.now(), self._database.clock)
            batch = partial(kick_some, queue=queue, since=since, most=left, at=at)
            seen, some, since = self._change(batch)
            # Somebody else may have been faster, and then nothing is left.
            left, kicked = left - seen if seen else 0, kicked + some
        return kicked

    def delete(self, ids: Sequence[JobId]) -> Sequence[bool]:
        """Delete jobs that are not being run."""
        return self._change(lambda connection, _: [delete_named(connection, each) for each in ids])

    def edit(self, id: JobId, rewritten: NewJob) -> bool:
        """Put a rewritten job in the place of one that is not being run, in the same state.

        Raises `JobTooBigError`.
        """
        check_new_job(rewritten)
        if error := too_big(rewritten, self._max_body):
            raise error
        now = self._upkeep.now()
        told = (id, rewritten, now)
        return self._change(lambda connection, ready: edit_named(connection, ready, *told))

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

    def _look_with_dead(
        self, work: Callable[[sqlite3.Connection, Moment, Collection[int]], T]
    ) -> T:
        return self._look(lambda connection, now: work(connection, now, self._dead(connection)))

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

    def _carry_out(self, changes: Sequence[Change], *, synced: bool) -> Sequence[bool | QueueError]:
        clock, most = self._database.clock, self._max_body

        def change(connection: sqlite3.Connection, ready: Ready) -> list[bool | QueueError]:
            now = self._upkeep.now()
            return [
                carry_out(connection, ready, each, now, clock=clock, max_body=most)
                for each in changes
            ]

        return self._change(change, synced=synced)

    def _change(self, work: Callable[[sqlite3.Connection, Ready], T], *, synced: bool = True) -> T:
        now = self._upkeep.now()

        def change(connection: sqlite3.Connection, ready: Ready) -> T:
            # First what should have happened by itself: a dead worker's job can be deleted.
            self._upkeep.promote(connection, ready, now, me=_NOBODY)
            self._upkeep.take_back(connection, ready, self._dead(connection))
            return work(connection, ready)

        return self._database.write(change, synced=synced)
