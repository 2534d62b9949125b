"""The queue port on a beanstalkd whose jobs may have guards, which are kept beside it.

A job with guards takes its keys first, then it is put, then its place is noted: how, is told in
`taking`. Jobs without guards go the plain way.
"""

from __future__ import annotations

from collections.abc import Callable, MutableMapping, Sequence
from dataclasses import replace
from functools import lru_cache
from typing import TYPE_CHECKING, TypeAlias

from pulpo.adapters.beanstalkd.adapter import BeanstalkdAdapter
from pulpo.adapters.beanstalkd.link import Link
from pulpo.adapters.beanstalkd.putting import put_jobs, too_big
from pulpo.adapters.beanstalkd.taking import Same, Taking
from pulpo.clock import Clock
from pulpo.errors import QueueError, QueueUnavailableError, UnsupportedError
from pulpo.job import (
    Capabilities,
    Existing,
    Job,
    JobId,
    NewJob,
    Settlement,
    check_new_job,
)
from pulpo.side import SideStore

if TYPE_CHECKING:
    from pulpo.adapters.beanstalkd.guarded_admin import GuardedAdmin  # greenstalk: when needed

__all__ = ["GuardedAdapter"]


_Told: TypeAlias = JobId | Existing | QueueError | Same | None


@lru_cache(maxsize=4)
def _with_guards(capabilities: Capabilities) -> Capabilities:
    return replace(capabilities, guards=True)


class GuardedAdapter(BeanstalkdAdapter):
    """See `BeanstalkdAdapter`; one thread."""

    def __init__(
        self,
        open_link: Callable[[], Link],
        clock: Clock,
        *,
        reply_timeout: float,
        open_store: Callable[[], SideStore],
        open_admin: Callable[[], GuardedAdmin],
        known: MutableMapping[str, int] | None = None,
    ) -> None:
        self._open_store = open_store
        self._open_admin = open_admin
        self._doors: tuple[SideStore, GuardedAdmin] | None = None
        super().__init__(open_link, clock, reply_timeout=reply_timeout, known=known)

    def _start_anew(self) -> None:
        self._doors = None  # in a forked child: those are the parent's
        super()._start_anew()

    @property
    def capabilities(self) -> Capabilities:
        """What this server can do together with what is beside it."""
        return _with_guards(super().capabilities)

    def put(self, jobs: Sequence[NewJob]) -> Sequence[JobId | Existing | QueueError]:
        """Put jobs, those with guards where their keys are free; see `QueueAdapter`."""
        if not any(job.guards for job in jobs):
            return super().put(jobs)
        self._check()
        for job in jobs:
            check_new_job(job)
        link = self._fresh_link()
        told: list[_Told] = [too_big(job, link.max_body) for job in jobs]
        guarded = [n for n, job in enumerate(jobs) if job.guards and told[n] is None]
        batch = [jobs[n] for n in guarded]
        keys = self._take(batch)
        for n, answer in zip(guarded, keys.answers, strict=True):
            told[n] = answer
        going = [n for n, answer in enumerate(told) if answer is None]
        results = dict(zip(going, self._put_these(link, [jobs[n] for n in going]), strict=True))
        others = keys.confirm([results.get(n) for n in guarded])
        for n in going:
            result = results[n]
            told[n] = result if isinstance(result, QueueError) else jobs[n].id
        for n, other in zip(guarded, others, strict=True):
            told[n] = other or told[n]
        return [_answer(jobs, told, n, guarded) for n in range(len(jobs))]

    def exchange(
        self,
        settlements: Sequence[Settlement],
        queues: Sequence[str],
        *,
        limit: int,
        timeout: float,
    ) -> tuple[Sequence[bool | QueueError], Sequence[Job]]:
        """Settle, then reserve; see `pulpo.adapter.QueueAdapter`."""
        for settlement in settlements:
            if settlement.then and any(job.guards for job in settlement.then):
                raise UnsupportedError("beanstalkd takes no guards of jobs that follow another one")
        return super().exchange(settlements, queues, limit=limit, timeout=timeout)

    def close(self) -> None:
        """Close the connections: the server gives back every job at once."""
        super().close()
        doors, self._doors = self._doors, None
        if doors is not None:
            for door in doors:
                door.close()

    def _take(self, jobs: Sequence[NewJob]) -> Taking:
        """Take keys for jobs; where those cannot be kept, no job is put, and others are."""
        if self._doors is None:
            self._doors = self._open_store(), self._open_admin()
        keys = Taking(*self._doors, jobs)
        try:
            keys.take()
        except QueueError as error:
            keys.refuse(QueueUnavailableError(f"not sent, its guards cannot be kept: {error}"))
        return keys

    def _put_these(self, link: Link, jobs: Sequence[NewJob]) -> list[int | QueueError]:
        if not jobs:
            return []
        try:
            return put_jobs(link, jobs, self._clock, patience=self._reply_timeout)
        except QueueUnavailableError as error:
            return [error] * len(jobs)
        finally:
            if link.broken:
                self._board.drop(link)


def _answer(
    jobs: Sequence[NewJob], told: Sequence[_Told], place: int, guarded: Sequence[int]
) -> JobId | Existing | QueueError:
    answer = told[place]
    if not isinstance(answer, Same):
        assert answer is not None
        return answer
    first = guarded[answer.place]
    other = _answer(jobs, told, first, guarded)
    return Existing(other, jobs[first].queue) if isinstance(other, str) else other
