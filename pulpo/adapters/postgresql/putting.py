"""Accepting jobs: one in one statement, a batch in one, a large batch by COPY.

All of a batch goes in, or nothing of it: so what is answered is answered for each job alike, but
for those that are too big. A batch in which a job holds a key goes a way of its own.
"""

from __future__ import annotations

from collections.abc import Sequence

import psycopg

from pulpo.adapters.postgresql.accepting import (
    MOST_AT_ONCE,
    Answer,
    Steps,
    accepting,
    has_guards,
)
from pulpo.adapters.postgresql.link import Link, Query
from pulpo.adapters.postgresql.rows import columns, texts, too_big
from pulpo.adapters.postgresql.statements import Statements
from pulpo.adapters.postgresql.timepiece import Timepiece
from pulpo.adapters.postgresql.transacting import transact
from pulpo.adapters.postgresql.troubles import AnswerLostError
from pulpo.errors import PublishUncertainError, QueueError, QueueUnavailableError
from pulpo.job import JobId, NewJob

__all__ = ["Putter"]

# From so many on, COPY costs less than one statement with arrays.
_MANY = 100
# No transaction is larger: what it has written is kept until the last of it is there.
_MOST = 10_000
_COPIED = ("text", "text", "text", "int8", "float8", "float8", "bytea")


class Putter:
    """What one adapter puts; one thread."""

    def __init__(
        self, link: Link, statements: Statements, timepiece: Timepiece, *, max_body: int
    ) -> None:
        self._link = link
        self._statements = statements
        self._timepiece = timepiece
        self._max_body = max_body

    def put(self, jobs: Sequence[NewJob]) -> list[Answer]:
        """Put jobs; for each, in order, its id, who holds its key, or why it was not accepted."""
        answers: list[Answer] = [too_big(job, self._max_body) or job.id for job in jobs]
        fitting = [place for place, answer in enumerate(answers) if isinstance(answer, str)]
        guarded = has_guards(jobs)
        most = MOST_AT_ONCE if guarded else _MOST
        for start in range(0, len(fitting), most):
            places = fitting[start : start + most]
            try:
                if guarded:
                    accepted = self._accept([jobs[place] for place in places])
                    for place, answer in zip(places, accepted, strict=True):
                        answers[place] = answer
                else:
                    self._put([jobs[place] for place in places])
            except AnswerLostError as error:
                for place, answer in zip(places, self._look(error, jobs, places), strict=True):
                    answers[place] = answer
            except QueueError as error:
                if isinstance(error, QueueUnavailableError) and start == 0:
                    raise
                for place in places:
                    answers[place] = error
        return answers

    def _put(self, jobs: Sequence[NewJob]) -> None:
        are_ready = not any(job.delay or job.at is not None for job in jobs)
        if are_ready and len(jobs) == 1:
            self._link.tell(self._statements.put_ready, texts(jobs[0]))
        elif are_ready and len(jobs) >= _MANY and self._copy(jobs):
            self._link.query(self._statements.copied, ([job.queue for job in jobs],))
        else:
            told = self._timepiece.told()
            self._link.query(self._statements.put, (told, *columns(jobs)))

    def _accept(self, jobs: Sequence[NewJob]) -> list[Answer]:
        def accept(query: Query) -> list[Answer]:
            told = self._timepiece.told()
            steps = accepting(jobs, told=told, is_within=False, max_body=self._max_body)
            return self._walk(steps, query)

        if any(guard.instead for job in jobs for guard in job.guards):
            return transact(self._link, accept)
        return accept(self._link.query)

    def _walk(self, steps: Steps, query: Query) -> list[Answer]:
        try:
            asked = next(steps)
            while True:
                asked = steps.send(query(asked.text(self._statements.schema), asked.values))
        except StopIteration as end:
            answers: list[Answer] = end.value
            return answers

    def _copy(self, jobs: Sequence[NewJob]) -> bool:
        """Copy jobs in; False where one of them is there already, and nothing was done."""
        connection = self._link.connection
        try:
            with connection.cursor().copy(self._statements.copy) as copy:
                copy.set_types(_COPIED)
                write = copy.write_row
                for job in jobs:
                    expires = None if job.expires is None else float(job.expires)
                    ttr = float(job.ttr)
                    write((job.id, job.type, job.queue, job.priority, ttr, expires, job.body))
        except psycopg.errors.UniqueViolation:
            return False
        except psycopg.Error as error:
            raise self._link.trouble(error) from error
        return True

    def _look(
        self, error: AnswerLostError, jobs: Sequence[NewJob], places: Sequence[int]
    ) -> list[JobId | QueueError]:
        """Look on a new connection which of these jobs are there after all."""
        ids = [jobs[place].id for place in places]
        try:
            found = {key for (key,) in self._link.query(self._statements.found, (ids,))}
        except QueueError:
            found = set()
        return [
            key if key in found else PublishUncertainError(f"{error}; job {key!r}", id=key)
            for key in ids
        ]
