"""The port on PostgreSQL: who calls the parts in `putting`, `trading` and `waiting`."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence

from pulpo.adapters.postgresql.link import Link
from pulpo.adapters.postgresql.putting import Putter
from pulpo.adapters.postgresql.rows import check_jobs
from pulpo.adapters.postgresql.statements import Statements
from pulpo.adapters.postgresql.timepiece import Timepiece
from pulpo.adapters.postgresql.trading import Trader
from pulpo.adapters.postgresql.waiting import Waiting
from pulpo.clock import Clock
from pulpo.errors import QueueError
from pulpo.job import (
    Capabilities,
    Existing,
    Job,
    JobId,
    NewJob,
    Settlement,
    check_exchange,
)
from pulpo.waker import Waker

__all__ = ["PostgreSQLAdapter"]


class PostgreSQLAdapter:
    """A door to a queue in PostgreSQL for one thread, `wake` excepted."""

    def __init__(
        self,
        open_link: Callable[[], Link],
        statements: Statements,
        *,
        clock: Clock,
        timepiece: Timepiece,
        max_body: int,
    ) -> None:
        self._open_link = open_link
        self._statements = statements
        self._clock = clock
        self._timepiece = timepiece
        self._capabilities = Capabilities(engine="postgresql", max_body=max_body, guards=True)
        self._begin()

    def _begin(self) -> None:
        max_body = self._capabilities.max_body
        self._pid = os.getpid()
        self._waker = Waker()
        self._link = self._open_link()
        self._putter = Putter(self._link, self._statements, self._timepiece, max_body=max_body)
        self._trader = Trader(
            self._link,
            self._statements,
            clock=self._clock,
            timepiece=self._timepiece,
            max_body=max_body,
        )
        self._waiting = Waiting(self._link, self._trader, self._waker)

    @property
    def capabilities(self) -> Capabilities:
        """What a queue in PostgreSQL can do; connects to nothing."""
        return self._capabilities

    def put(self, jobs: Sequence[NewJob]) -> Sequence[JobId | Existing | QueueError]:
        """Accept jobs: committed when this returns, as surely as the server commits."""
        check_jobs(jobs)
        self._leave_to_parent()
        return self._putter.put(jobs) if jobs else []

    def exchange(
        self,
        settlements: Sequence[Settlement],
        queues: Sequence[str],
        *,
        limit: int,
        timeout: float,
    ) -> tuple[Sequence[bool | QueueError], Sequence[Job]]:
        """Settle and reserve in one round trip; then wait, where nothing was ready."""
        check_exchange(settlements, queues, limit=limit, timeout=timeout)
        self._leave_to_parent()
        queues = tuple(dict.fromkeys(queues))  # one that is named twice would give its jobs twice
        answers: Sequence[bool | QueueError] = ()
        if settlements or (limit and not timeout):
            traded = self._trader.trade(settlements, queues, limit=limit, waits=timeout > 0)
            answers = traded.answers
            if traded.jobs:
                self._waiting.forget()
                return answers, traded.jobs
            if limit and timeout > 0:
                self._waiting.looked(queues, traded.soonest)
        if timeout <= 0:
            return answers, ()
        try:
            if not limit and self._waiting.is_known:
                self._waiting.leave()
            return answers, self._waiting.wait(queues, limit=limit, timeout=timeout)
        except QueueError:
            if answers:  # what is settled must be said; the next call will raise
                return answers, ()
            raise

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
        """Give back every job that is held, no crash counted, and let go of the database."""
        self._leave_to_parent()
        if self._link.is_open:
            try:
                self._trader.give_back()
            except QueueError:
                pass  # then the session's end gives them back
        self._link.close()
        self._waker.close()

    def _leave_to_parent(self) -> None:
        """In a forked child: begin anew, and hold none of the parent's jobs."""
        if self._pid != os.getpid():
            self._waker.close()
            self._begin()
