"""The operator's door to a beanstalkd: control verbs by greenstalk, looking by walking.

The server has no list of jobs and no owner's rights: whatever is changed here is looked at first,
and what is being run is left alone.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, MutableMapping, Sequence
from contextlib import contextmanager, suppress
from functools import wraps
from heapq import nsmallest
from typing import Concatenate, ParamSpec, TypeVar

import greenstalk

from pulpo.adapters.beanstalkd import commands
from pulpo.adapters.beanstalkd.address import Address
from pulpo.adapters.beanstalkd.changing import Changes
from pulpo.adapters.beanstalkd.control import Control
from pulpo.adapters.beanstalkd.finding import Finder, place
from pulpo.adapters.beanstalkd.kicking import kick_buried
from pulpo.adapters.beanstalkd.link import Link
from pulpo.adapters.beanstalkd.own_tubes import is_own
from pulpo.adapters.beanstalkd.walking import Walker
from pulpo.clock import Clock
from pulpo.duration import seconds as as_seconds
from pulpo.errors import (
    PulpoError,
    QueueError,
    QueueUnavailableError,
    UnsupportedError,
    UsageError,
)
from pulpo.identity import check_queue
from pulpo.job import (
    Act,
    Change,
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

__all__ = ["BeanstalkdAdmin"]

P = ParamSpec("P")
T = TypeVar("T")
Admin = TypeVar("Admin", bound="BeanstalkdAdmin")

# Longer than anybody will wait: shown as a pause without an end.
_ENDLESS = 1_000_000_000
# So many ready jobs are looked at one by one, to tell how many of them go before another.
_FEW = 5_000


def _understood(method: Callable[Concatenate[Admin, P], T]) -> Callable[Concatenate[Admin, P], T]:
    """Let a method raise `QueueUnavailableError` where a reply makes no sense."""

    @wraps(method)
    def understood(admin: Admin, /, *args: P.args, **kwargs: P.kwargs) -> T:
        with _understanding(admin._control):  # noqa: SLF001  # the own object of the method
            return method(admin, *args, **kwargs)

    return understood


@contextmanager
def _understanding(control: Control) -> Iterator[None]:
    try:
        yield
    except PulpoError:
        raise
    except (LookupError, ValueError, greenstalk.Error) as error:
        control.hang_up()
        raise QueueUnavailableError(
            f"beanstalkd gave an answer that makes no sense: {error!r}"
        ) from error


class BeanstalkdAdmin:
    """Looks at and changes jobs from outside; one thread, connects at its first use."""

    def __init__(
        self,
        open_link: Callable[[], Link],
        address: Address,
        clock: Clock,
        known: MutableMapping[str, int] | None = None,
    ) -> None:
        self._control = Control(address)
        self._walker = Walker(open_link, self._control, clock)
        self._finder = Finder(self._walker, self._control, {} if known is None else known)
        self._changes = Changes(self._walker, clock)

    @_understood
    def queues(self) -> Sequence[str]:
        """Return the queues that the server knows, sorted."""
        with self._control.talking() as client:
            names = client.tubes()
        found = []
        for name in names:
            with suppress(UsageError):  # a tube that no pulpo made
                found.append(check_queue(name))
        # A job of our own that was refused on a full disk keeps its tube there.
        return sorted(name for name in found if not is_own(name))

    @_understood
    def stats(self, queue: str) -> QueueStats:
        """Count a queue's jobs, by the server's own counters."""
        check_queue(queue)
        with self._control.talking() as client:
            try:
                found = client.stats_tube(queue)
            except greenstalk.NotFoundError:
                return QueueStats(queue=queue)
        left = int(found["pause-time-left"])
        return QueueStats(
            queue=queue,
            ready=int(found["current-jobs-ready"]),
            delayed=int(found["current-jobs-delayed"]),
            reserved=int(found["current-jobs-reserved"]),
            buried=int(found["current-jobs-buried"]),
            paused=left > 0,
            pause_left=float(left) if 0 < left < _ENDLESS else None,
        )

    @_understood
    def list(
        self, queue: str | None = None, state: JobState | None = None, *, limit: int = 100
    ) -> Sequence[ListedJob]:
        """Return jobs in the order in which they would run; walks through all of them."""
        if queue is not None:
            check_queue(queue)
        jobs = (job for page in self.walk(queue, state) for job in page.jobs)
        return nsmallest(max(limit, 0), jobs, key=place)

    def walk(
        self,
        queue: str | None = None,
        state: JobState | None = None,
        *,
        type: str | None = None,  # noqa: ARG002  # the server does not know it
        bodies: bool = True,
    ) -> Iterator[Page]:
        """Look at all jobs by their numbers; see `pulpo.adapter.QueueAdmin`."""
        with _understanding(self._control):
            count = self._expected(queue, state)
            yield from self._walker.pages(queue, state, count, bodies=bodies)

    def sample(self) -> Iterator[Sequence[ListedJob]]:
        """Look at all jobs by their numbers, at some from all over first."""
        with _understanding(self._control):
            yield from self._walker.sample()

    @_understood
    def newest(self, limit: int = 1_000) -> Sequence[ListedJob]:
        """Return what there is of the last numbers; see `pulpo.adapter.QueueAdmin`."""
        return self._walker.newest(limit)

    @_understood
    def glimpse(
        self, queue: str | None, state: JobState | None, *, limit: int, numbers: int
    ) -> tuple[Sequence[ListedJob], bool]:
        """Return some jobs without a walk through all; see `pulpo.adapter.Glimpsing`."""
        if queue is not None:
            check_queue(queue)
        return self._finder.glimpse(queue, state, limit=limit, numbers=numbers)

    @_understood
    def spot(self, id: JobId, *, numbers: int) -> tuple[ListedJob | None, bool]:
        """Look for a job without a walk through all; see `pulpo.adapter.Glimpsing`."""
        return self._finder.spot(id, numbers=numbers)

    @_understood
    def look(self, jobs: Sequence[Sighting]) -> Sequence[ListedJob | None]:
        """Look once more at jobs that were seen."""
        return self._walker.look(jobs)

    @_understood
    def change(self, changes: Sequence[Change]) -> Sequence[bool | QueueError]:
        """Change jobs that were seen, each step in one flight; see `pulpo.adapter.QueueAdmin`."""
        check_changes(changes)
        return self._changes.carry_out(changes)

    @_understood
    def peek(self, ids: Sequence[JobId]) -> Sequence[ListedJob | None]:
        """Look jobs up: a number directly, a pulpo id where it was seen last, else by walking."""
        found = self._finder.find(ids)
        return [found.get(name) for name in ids]

    @_understood
    def ahead(self, job: ListedJob) -> tuple[int, int]:
        """Count the ready jobs that go before one, exactly where they are few."""
        ready = self.stats(job.queue).ready
        if ready > _FEW:
            return 0, ready - 1
        before = (job.priority, job.number)
        line = (
            (other.priority, other.number)
            for page in self.walk(job.queue, JobState.READY, bodies=False)
            for other in page.jobs
        )
        count = sum(other < before for other in line)
        return count, count

    @_understood
    def kick(self, ids: Sequence[JobId]) -> Sequence[bool]:
        """Kick jobs by `kick-job`; see `pulpo.adapter.QueueAdmin`."""
        return self._each(ids, self._changes.kick)

    @_understood
    def kick_all(self, queue: str) -> int:
        """Kick the buried jobs of a queue, and no delayed ones."""
        count = self.stats(queue).buried
        return kick_buried(self._control, self._walker, self._changes, queue, count=count)

    @_understood
    def delete(self, ids: Sequence[JobId]) -> Sequence[bool]:
        """Delete jobs that nobody runs; see `pulpo.adapter.QueueAdmin`."""
        return self._each(ids, self._changes.delete)

    @_understood
    def edit(self, id: JobId, rewritten: NewJob) -> bool:
        """Put the rewritten job, then delete the old one; see `pulpo.adapter.QueueAdmin`."""
        check_new_job(rewritten)
        (old,) = self.peek([id])
        if old is None:
            return False
        (answer,) = self._changes.carry_out([Change(Act.REPLACE, old.sighting, rewritten)])
        if isinstance(answer, QueueError):
            raise answer
        return answer

    @_understood
    def pause(self, queue: str, seconds: float | None = None) -> None:
        """Pause a queue until a time or `resume`; the server forgets it when it restarts."""
        check_queue(queue)
        length = _ENDLESS * 4 if seconds is None else math.ceil(as_seconds(seconds, "pause"))
        with self._control.talking() as client:
            try:
                client.pause_tube(queue, min(length, commands.LONGEST))
            except greenstalk.NotFoundError:
                raise UnsupportedError(
                    "beanstalkd can pause only a queue that has jobs or workers: "
                    f"{queue!r} has neither"
                ) from None

    @_understood
    def resume(self, queue: str) -> None:
        """End a pause."""
        check_queue(queue)
        with self._control.talking() as client, suppress(greenstalk.NotFoundError):
            client.pause_tube(queue, 0)

    def close(self) -> None:
        """Close the connections; twice is once."""
        self._control.close()
        self._walker.close()

    def _each(
        self, ids: Sequence[JobId], verb: Callable[[Sequence[int]], Sequence[bool]]
    ) -> Sequence[bool]:
        """Do something with the jobs that have these ids; False for the others."""
        found = [None if job is None else job.number for job in self.peek(ids)]
        there = [number for number in found if number is not None]
        done = iter(verb(there))
        return [number is not None and next(done) for number in found]

    def _expected(self, queue: str | None, state: JobState | None) -> int | None:
        """Return how many jobs there are to list, so that the walk ends once they are found."""
        if queue is None:
            return None
        counts = self.stats(queue)
        if state is None:
            return counts.ready + counts.delayed + counts.reserved + counts.buried
        return int(getattr(counts, state.value))
