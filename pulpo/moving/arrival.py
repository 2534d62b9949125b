"""The target's end of a move: copies are put there once, buried ones aside, and taken back.

What a killed move has brought here is found again, so that nothing comes twice without being
counted. Knows nothing of the source.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from pulpo.adapter import QueueAdapter, QueueAdmin
from pulpo.errors import JobTooBigError, NotAcceptedError, QueueError
from pulpo.job import Existing, Job, JobState, ListedJob, NewJob, Settlement, Verb
from pulpo.moving.journal import Journal
from pulpo.moving.moved import Moved

__all__ = ["Arrival"]

_BATCH = 250
# So many refused jobs are enough to see that something is wrong.
_MOST_REFUSED = 1_000


class Arrival:
    """Puts copies at the target; one thread, whose the doors are."""

    def __init__(
        self, adapter: QueueAdapter, admin: QueueAdmin, journal: Journal, moved: Moved
    ) -> None:
        self._adapter = adapter
        self._admin = admin
        self._journal = journal
        self._moved = moved
        # Where a copy lies until it is buried: a queue that no worker serves, and no other move.
        self._transit = f"pulpo.moving.{journal.key}"
        self._doubted: frozenset[str] = frozenset()

    def open(self) -> None:
        """Take up the journal, and clear away what a killed move has left half done."""
        self._doubted = frozenset(self._journal.open(self._moved))
        self._moved.doubtful += len(self._doubted)
        while jobs := self._in_transit():
            # The source still has them: they are deleted there only once they are buried here.
            self._settle([Settlement(Verb.DELETE, job) for job in jobs])

    def pause(self, queue: str, seconds: float | None) -> None:
        """Let nobody run what arrives in a queue."""
        self._admin.pause(queue, seconds)

    def put(self, copies: Sequence[NewJob], *, buried: bool = False) -> set[str]:
        """Put copies, aside where they are `buried`; return the ids of those that are here now.

        The others were refused for good, and counted. Raises every other `QueueError`; the ids are
        in the journal then.
        """
        self._journal.write([copy.id for copy in copies], self._moved)
        here = self._brought_before(copies, buried=buried)
        new = [copy for copy in copies if copy.id not in here]
        for copy, answer in zip(new, self._put(new, buried=buried), strict=True):
            if isinstance(answer, Existing):
                if answer.id != copy.id:
                    self._refuse(_rivalled(copy, answer))
                else:
                    here.add(copy.id)
            elif isinstance(answer, JobTooBigError):
                self._refuse(answer)
            elif isinstance(answer, QueueError):
                raise answer
            else:
                here.add(copy.id)
                self._moved.count += 1
        return here

    def close(self) -> None:
        """Say that nothing is on its way."""
        self._journal.write((), self._moved)

    def take_back(self, ids: Sequence[str]) -> None:
        """Delete copies of jobs that somebody took at the source meanwhile; none is due yet."""
        if ids:
            deleted = sum(map(bool, self._admin.delete(ids)))
            self._moved.count -= deleted
            self._moved.twice += len(ids) - deleted

    def _put(
        self, copies: Sequence[NewJob], *, buried: bool
    ) -> Sequence[str | Existing | QueueError]:
        if not copies:
            return ()
        if not buried:
            return self._adapter.put(copies)
        # What is buried holds no key.
        there = [replace(copy, queue=self._transit, guards=()) for copy in copies]
        answers = self._adapter.put(there)
        self._bury(copies)
        return answers

    def _bury(self, copies: Sequence[NewJob]) -> None:
        # The bytes are the same; an id is not known of everything everywhere.
        by_id = {copy.id: copy for copy in copies}
        by_body = {copy.body: copy for copy in copies}
        while jobs := self._in_transit():
            self._settle(
                [
                    Settlement(
                        Verb.BURY, job, rewritten=by_id.get(job.id or "") or by_body[job.body]
                    )
                    for job in jobs
                ]
            )

    def _in_transit(self) -> Sequence[Job]:
        return self._adapter.exchange([], [self._transit], limit=_BATCH, timeout=0.0)[1]

    def _settle(self, settlements: Sequence[Settlement]) -> None:
        answers, _ = self._adapter.exchange(settlements, [], limit=0, timeout=0.0)
        for answer in answers:
            if isinstance(answer, QueueError):
                raise answer

    def _brought_before(self, copies: Sequence[NewJob], *, buried: bool) -> set[str]:
        """Return those that a killed move has brought here; what it has not is put once more.

        Or what has run here since: nobody can tell, so it is `doubtful`.
        """
        doubted = [copy.id for copy in copies if copy.id in self._doubted]
        if not doubted:
            return set()
        self._doubted = self._doubted.difference(doubted)
        found = [job for job in self._admin.peek(doubted) if job is not None]
        if buried:
            found = self._without_half_buried(found)
        here = {job.id for job in found}
        self._moved.count += len(here)  # the kill came before they were counted
        return here

    def _without_half_buried(self, found: Sequence[ListedJob]) -> list[ListedJob]:
        """Delete what was put and not buried any more: it would run one day."""
        self._admin.delete([job.id for job in found if job.state is not JobState.BURIED])
        return [job for job in found if job.state is JobState.BURIED]

    def _refuse(self, error: QueueError) -> None:
        self._moved.refused += 1
        self._moved.why.add(str(error))
        if self._moved.refused >= _MOST_REFUSED:
            raise error


def _rivalled(copy: NewJob, rival: Existing) -> QueueError:
    return NotAcceptedError(
        f"a job with the same key is there already: {copy.id!r} is a second {rival.id!r}"
    )
