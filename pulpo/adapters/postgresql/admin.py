"""What an operator asks of a queue in PostgreSQL; every change is committed before it returns."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from pulpo.adapters.postgresql import census, walking
from pulpo.adapters.postgresql.link import Link
from pulpo.adapters.postgresql.looking import Looker
from pulpo.adapters.postgresql.rows import NO_JOB, array, columns, too_big
from pulpo.adapters.postgresql.timepiece import Timepiece
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

__all__ = ["PostgreSQLAdmin"]

_ACTS = {Act.KICK: 1, Act.DELETE: 2, Act.REPLACE: 3, Act.BURY: 4}
_CHANGE = """
SELECT @.change_1(
    %s::float8, %s::boolean, %s::integer[], %s::text[], %s::bigint[], %s::text[], %s::text[],
    %s::text[], %s::bigint[], %s::float8[], %s::float8[], %s::float8[], %s::float8[], %s::bytea[]
)
"""
_KICK_ALL = "SELECT @.kick_all_1(%s::float8, %s::text)"
_HOLDERS = """
SELECT held.id, held.queue
FROM @.now_1(%s::float8) AS now, unnest(%s::text[]) WITH ORDINALITY AS asked (key, place)
LEFT JOIN LATERAL @.holder_1(now, key) AS held ON true ORDER BY place
"""
_PAUSE = "SELECT @.pause_1(%s::float8, %s::text, %s::float8)"
_RESUME = "SELECT @.resume_1(%s::text)"

# An act on a job by its id, and by its number where it was seen.
_Wish = tuple[Act, JobId, int | None, NewJob | None]


class PostgreSQLAdmin:
    """An operator's door to a queue in PostgreSQL, for one thread."""

    def __init__(self, link: Link, timepiece: Timepiece, *, max_body: int) -> None:
        self._link = link
        self._timepiece = timepiece
        self._looker = Looker(link, timepiece)
        self._max_body = max_body

    # Looking

    def queues(self) -> Sequence[str]:
        """Return the names of the queues that hold jobs or are paused, sorted."""
        return census.queues(self._looker.look())

    def stats(self, queue: str) -> QueueStats:
        """Count the jobs of a queue, as they would be if a worker came by now."""
        check_queue(queue)
        return census.stats(self._looker.look(), queue)

    def list(
        self, queue: str | None = None, state: JobState | None = None, *, limit: int = 100
    ) -> Sequence[ListedJob]:
        """Return jobs, in the order in which they would run."""
        if queue is not None:
            check_queue(queue)
        if limit < 0:
            raise UsageError(f"limit must be 0 or more: {limit!r}")
        return census.listed(self._looker.look(), queue, state, limit)

    def peek(self, ids: Sequence[JobId]) -> Sequence[ListedJob | None]:
        """Look at jobs without touching them; None for an id that nobody has."""
        return census.peeked(self._looker.look(), ids) if ids else []

    def walk(
        self,
        queue: str | None = None,
        state: JobState | None = None,
        *,
        type: str | None = None,
        bodies: bool = True,  # noqa: ARG002  # they lie beside the rest
    ) -> Iterator[Page]:
        """Look at all jobs, a page at a time; see `pulpo.adapter.QueueAdmin`."""
        if queue is not None:
            check_queue(queue)
        return walking.walk(self._looker.look, walking.Narrow(queue, state, type))

    def newest(self, limit: int = 1_000) -> Sequence[ListedJob]:
        """Return the last jobs that were put; see `pulpo.adapter.QueueAdmin`."""
        return walking.newest(self._looker.look(), limit)

    def look(self, jobs: Sequence[Sighting]) -> Sequence[ListedJob | None]:
        """Look once more at jobs that were seen."""
        return walking.seen_again(self._looker.look(), jobs) if jobs else []

    def sample(self) -> Iterator[Sequence[ListedJob]]:
        """Yield every job, in pages; nothing is kept from page to page."""
        return walking.sample(self._looker.look)

    def ahead(self, job: ListedJob) -> tuple[int, int]:
        """Count the ready jobs that go before one, exactly."""
        count = census.ahead(self._looker.look(), job)
        return count, count

    def holders(self, keys: Sequence[str]) -> Sequence[Existing | None]:
        """Return who holds these keys; see `pulpo.adapter.Guarding`."""
        text = _HOLDERS.replace("@", self._link.address.schema)
        rows = self._link.query(text, (self._timepiece.told(), list(keys))) if keys else []
        return [None if key is None else Existing(key, queue) for key, queue in rows]

    # Changing

    def change(self, changes: Sequence[Change]) -> Sequence[bool | QueueError]:
        """Change jobs that were seen, in one transaction; see `pulpo.adapter.QueueAdmin`."""
        check_changes(changes)
        wishes = [
            (change.act, change.job.id, change.job.number, change.rewritten) for change in changes
        ]
        copies = (change.rewritten or NO_JOB for change in changes)
        refused = [too_big(copy, self._max_body) for copy in copies]
        fitting = [wish for wish, error in zip(wishes, refused, strict=True) if error is None]
        done = iter(self._change(fitting))
        return [error if error is not None else next(done) for error in refused]

    def wake_up(self, jobs: Sequence[Sighting]) -> Sequence[bool | QueueError]:
        """Make jobs ready that were put aside, without a sync; see `pulpo.adapter.WakesUp`."""
        wishes = [(Act.KICK, job.id, job.number, None) for job in jobs]
        return self._change(wishes, is_synced=False)

    def kick(self, ids: Sequence[JobId]) -> Sequence[bool]:
        """Make buried or delayed jobs ready now."""
        return self._change([(Act.KICK, key, None, None) for key in ids])

    def kick_all(self, queue: str) -> int:
        """Make all buried jobs of a queue ready; return how many."""
        check_queue(queue)
        return int(self._do(_KICK_ALL, self._timepiece.told(), queue))

    def delete(self, ids: Sequence[JobId]) -> Sequence[bool]:
        """Delete jobs that are not being run."""
        return self._change([(Act.DELETE, key, None, None) for key in ids])

    def edit(self, id: JobId, rewritten: NewJob) -> bool:
        """Put a rewritten job in the place of one that is not being run.

        Raises `JobTooBigError`.
        """
        check_new_job(rewritten)
        if error := too_big(rewritten, self._max_body):
            raise error
        return self._change([(Act.REPLACE, id, None, rewritten)])[0]

    def pause(self, queue: str, seconds: float | None = None) -> None:
        """Let nobody reserve from a queue, for so many seconds or until `resume`."""
        check_queue(queue)
        if seconds is not None and not 0 < seconds < float("inf"):
            raise UsageError(f"a pause must be more than 0 seconds: {seconds!r}")
        self._do(_PAUSE, self._timepiece.told(), queue, seconds)

    def resume(self, queue: str) -> None:
        """End a pause, and wake who has waited for it."""
        check_queue(queue)
        self._do(_RESUME, queue)

    def close(self) -> None:
        """Let go of the database; twice is once."""
        self._link.close()

    def _change(self, wishes: Sequence[_Wish], *, is_synced: bool = True) -> Sequence[bool]:
        if not wishes:
            return []
        numbers = array(number for _, _, number, _ in wishes)
        copies = [rewritten or NO_JOB for *_, rewritten in wishes]
        named = [key for _, key, _, _ in wishes]
        acts = array(_ACTS[act] for act, *_ in wishes)
        told = self._timepiece.told()
        wish = (told, is_synced, acts, named, numbers, *columns(copies))
        answers: Sequence[bool] = self._do(_CHANGE, *wish)
        return answers

    def _do(self, statement: str, *parameters: object) -> Any:
        text = statement.replace("@", self._link.address.schema)
        return self._link.query(text, parameters)[0][0]
