"""Settling and reserving in one round trip, and what becomes of them when the answer is lost.

Waiting for jobs is in `waiting`; what the database does is in `functions`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from pulpo.adapters.postgresql.link import Link, Rows
from pulpo.adapters.postgresql.rows import jobs_of, whole
from pulpo.adapters.postgresql.settling import Settling, fence_of
from pulpo.adapters.postgresql.statements import Statements
from pulpo.adapters.postgresql.timepiece import Timepiece
from pulpo.adapters.postgresql.transacting import query_both
from pulpo.adapters.postgresql.troubles import AnswerLostError
from pulpo.clock import Clock
from pulpo.errors import QueueError, QueueUnavailableError
from pulpo.job import Job, Settlement

__all__ = ["Traded", "Trader"]

# How often a busy worker looks for the dead, and for leases that have ended, in seconds.
_BETWEEN_ROLL_CALLS = 0.2


class Traded(NamedTuple):
    """What a trade has brought; `soonest`: in how many seconds something may be ready by itself."""

    answers: Sequence[bool | QueueError]
    jobs: Sequence[Job]
    soonest: float | None = None


class Trader:
    """The reservations of one adapter in one process; one thread.

    Every trade has a number of its own over all owners, the fence of the jobs that it reserves.
    What was sent and not answered is kept: jobs that a lost answer would have brought are given
    back on the next connection, settlements are looked up before they are answered.
    """

    def __init__(
        self,
        link: Link,
        statements: Statements,
        *,
        clock: Clock,
        timepiece: Timepiece,
        max_body: int,
    ) -> None:
        self._link = link
        self._statements = statements
        self._clock = clock
        self._timepiece = timepiece
        self._max_body = max_body
        self._trades = 0
        self._called_at = float("-inf")
        self._lost: list[int] = []
        self._unsure: set[tuple[int, int]] = set()
        # Whether the database has our word that we wait.
        self._has_word = False
        self.number = 0
        link.on_open = self._come_back

    def enter(self) -> None:
        """Become an owner, once; who only publishes is none, and costs no lock and no row."""
        if not self.number:
            told = self._timepiece.told()
            self._link.connection  # noqa: B018  # which says whether there is a session
            pooled = not self._link.has_session
            ((self.number,),) = self._link.query(self._statements.enter, (told, None, pooled))
            self._listen()

    def trade(
        self,
        settlements: Sequence[Settlement],
        queues: Sequence[str],
        *,
        limit: int,
        waits: bool,
        rung: bool = False,
    ) -> Traded:
        """Settle, then reserve up to `limit` jobs; `waits`: be rung where none are ready.

        Looks for the dead now and then, and where nothing is settled; not if it is `rung`, since
        then there is a job, and somebody waits for its run.
        """
        if limit:
            self.enter()
        self._link.connection  # noqa: B018  # a new one gives back first what a lost answer held
        now = self._clock.monotonic()
        overdue = now - self._called_at >= _BETWEEN_ROLL_CALLS
        rolls = limit > 0 and not rung and (overdue or not settlements)
        if rolls:
            self._called_at = now
        self._trades += 1
        fence = (self.number << 32) | (self._trades & 0xFFFFFFFF)
        settling = Settling(settlements, self._unsure, max_body=self._max_body)
        try:
            answers, rows, soonest = self._send(settling, queues, limit, waits, rolls, fence)
        except QueueUnavailableError:
            raise
        except QueueError as error:
            if isinstance(error, AnswerLostError):
                self._unsure |= settling.keys
                self._lost += [fence] if limit else []
            if not settlements:
                raise QueueUnavailableError(str(error)) from error
            return Traded([error] * len(settlements), ())
        if self._unsure:
            self._unsure -= settling.keys
        jobs = jobs_of(rows, fence)
        found = Traded(answers, jobs, soonest)
        if len(jobs) < len(rows):
            return self._trade_on(found, queues, limit - len(jobs), waits)
        return found

    def _trade_on(self, found: Traded, queues: Sequence[str], limit: int, waits: bool) -> Traded:
        """Look behind what was ours already, and has only been renewed."""
        try:
            more = self.trade((), queues, limit=limit, waits=waits and not found.jobs)
        except QueueError:
            if found.answers or found.jobs:  # what is settled or reserved must be said
                return found
            raise
        return more._replace(answers=found.answers, jobs=[*found.jobs, *more.jobs])

    def ring(self, queues: Sequence[str]) -> None:
        """Pass a ring on to others who wait for these queues."""
        self._link.query(self._statements.ring, (list(queues), self.number))

    def touch(self, jobs: Sequence[Job]) -> Sequence[bool | QueueError]:
        """Start the leases of these jobs anew."""
        told = self._timepiece.told()
        try:
            held = self._link.query(self._statements.touch, (told, self.number, *_keys(jobs)))
        except AnswerLostError as error:
            return [error] * len(jobs)
        return [(job.number, fence_of(job)) in held for job in jobs]

    def leave(self, jobs: Sequence[Job]) -> None:
        """Count no crash for runs that end with this process."""
        self._link.query(self._statements.leave, (self.number, *_keys(jobs)))

    def give_back(self) -> None:
        """Give back every job, no crash counted, and be no owner any more."""
        if self.number:
            self._link.query(self._statements.give_back, (self.number, None))

    def _send(
        self,
        settling: Settling,
        queues: Sequence[str],
        limit: int,
        waits: bool,
        rolls: bool,
        fence: int,
    ) -> tuple[list[bool | QueueError], Rows, float | None]:
        told = self._timepiece.told()
        first = None
        if settling.rest:
            first = (self._statements.settle, (told, self.number, *settling.parameters()))
            if not limit and not settling.plain and not waits:
                ((settled,),) = self._link.query(*first)
                return settling.answers(settled, ()), [], None
        trade = (
            self._statements.trade,
            (
                told,
                self.number,
                str(fence),
                *_keys([settlement.job for settlement in settling.plain]),
                list(queues) if limit else [],
                limit,
                waits and limit > 0,
                self._has_word,
                rolls,
                not self._link.has_session and self.number > 0,
            ),
        )
        if first is None:
            settled, rows = (), self._link.query(*trade)
        else:
            ((settled,),), rows = query_both(self._link, first, trade)
        *_, done, soonest = rows.pop()
        self._has_word = limit > 0 and waits and not rows
        return settling.answers(settled, done or ()), rows, soonest

    def _come_back(self) -> None:
        """On a new connection: be the owner that we were, and hold only what we know of."""
        if not self.number:
            return
        told, pooled = self._timepiece.told(), not self._link.has_session
        self._link.query(self._statements.enter, (told, self.number, pooled))
        self._listen()
        self._has_word = False
        if self._lost:
            lost = whole(self._lost)
            self._link.query(self._statements.give_back, (self.number, lost))
            self._lost.clear()

    def _listen(self) -> None:
        if self._link.has_session:
            self._link.connection.execute(self._statements.listen(self.number).encode())


def _keys(jobs: Sequence[Job]) -> tuple[str, str]:
    return whole([job.number for job in jobs]), whole([fence_of(job) for job in jobs])
