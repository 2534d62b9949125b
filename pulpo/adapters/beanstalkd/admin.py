"""The operator's door to a beanstalkd: control verbs by greenstalk, looking by walking.

The server has no list of jobs and no owner's rights: whatever is changed here is looked at first,
and what is being run is left alone.
"""

from __future__ import annotations

import math
from collections.abc import Callable, MutableMapping, Sequence
from contextlib import suppress
from functools import wraps
from typing import Concatenate, ParamSpec, TypeVar

import greenstalk

from pulpo.adapters.beanstalkd import commands
from pulpo.adapters.beanstalkd.address import Address
from pulpo.adapters.beanstalkd.control import Control
from pulpo.adapters.beanstalkd.finding import Finder
from pulpo.adapters.beanstalkd.link import Link
from pulpo.adapters.beanstalkd.putting import BURY_DELAY, too_big
from pulpo.adapters.beanstalkd.walking import PROBE, Walker
from pulpo.clock import Clock
from pulpo.duration import seconds as as_seconds
from pulpo.errors import PulpoError, QueueUnavailableError, UnsupportedError, UsageError
from pulpo.identity import check_queue
from pulpo.job import JobId, JobState, ListedJob, NewJob, QueueStats, check_new_job

__all__ = ["BeanstalkdAdmin"]

P = ParamSpec("P")
T = TypeVar("T")
Admin = TypeVar("Admin", bound="BeanstalkdAdmin")

# Longer than anybody will wait: shown as a pause without an end.
_ENDLESS = 1_000_000_000


def _understood(method: Callable[Concatenate[Admin, P], T]) -> Callable[Concatenate[Admin, P], T]:
    """Let a method raise `QueueUnavailableError` where a reply makes no sense."""

    @wraps(method)
    def understood(admin: Admin, /, *args: P.args, **kwargs: P.kwargs) -> T:
        try:
            return method(admin, *args, **kwargs)
        except PulpoError:
            raise
        except (LookupError, ValueError, greenstalk.Error) as error:
            admin._control.hang_up()  # noqa: SLF001  # the own object of the method
            raise QueueUnavailableError(
                f"beanstalkd gave an answer that makes no sense: {error!r}"
            ) from error

    return understood


class BeanstalkdAdmin:
    """Looks at and changes jobs from outside; one thread, connects at its first use."""

    def __init__(
        self,
        open_link: Callable[[], Link],
        address: Address,
        clock: Clock,
        known: MutableMapping[str, int] | None = None,
    ) -> None:
        self._clock = clock
        self._control = Control(address)
        self._walker = Walker(open_link, self._control, clock)
        self._finder = Finder(self._walker, self._control, {} if known is None else known)

    @_understood
    def queues(self) -> Sequence[str]:
        """Return the queues that the server knows, sorted."""
        with self._control.talking() as client:
            names = client.tubes()
        found = []
        for name in names:
            with suppress(UsageError):  # a tube that no pulpo made
                found.append(check_queue(name))
        return sorted(name for name in found if name != PROBE)

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
        expected = self._expected(queue, state)
        return self._finder.listed(queue, state, limit=limit, expected=expected)

    @_understood
    def sample(
        self, queue: str | None, state: JobState | None, *, limit: int, numbers: int
    ) -> tuple[Sequence[ListedJob], bool]:
        """Return some jobs without a walk through all; see `pulpo.adapter.Sampling`."""
        if queue is not None:
            check_queue(queue)
        return self._finder.sample(queue, state, limit=limit, numbers=numbers)

    @_understood
    def spot(self, id: JobId, *, numbers: int) -> tuple[ListedJob | None, bool]:
        """Look for a job without a walk through all; see `pulpo.adapter.Sampling`."""
        return self._finder.spot(id, numbers=numbers)

    @_understood
    def peek(self, ids: Sequence[JobId]) -> Sequence[ListedJob | None]:
        """Look jobs up: a number directly, a pulpo id where it was seen last, else by walking."""
        found = self._finder.find(ids)
        return [found.get(name) for name in ids]

    @_understood
    def kick(self, ids: Sequence[JobId]) -> Sequence[bool]:
        """Kick jobs by `kick-job`; see `pulpo.adapter.QueueAdmin`."""
        return [self._is_done(job, "kick_job") for job in self.peek(ids)]

    @_understood
    def kick_all(self, queue: str) -> int:
        """Kick the buried jobs of a queue, one by one: `kick` itself would take delayed ones."""
        kicked, count = 0, self.stats(queue).buried
        with self._control.talking() as client:
            if count:
                client.use(queue)
            while kicked < count:
                try:
                    client.kick_job(client.peek_buried())
                except greenstalk.NotFoundError:
                    break
                kicked += 1
            client.use("default")
        return kicked

    @_understood
    def bury(self, ids: Sequence[JobId]) -> Sequence[bool]:
        """Bury jobs that wait: each is reserved for that, by its number."""
        return [self._is_buried(job) for job in self.peek(ids)]

    @_understood
    def delete(self, ids: Sequence[JobId]) -> Sequence[bool]:
        """Delete jobs that nobody runs; see `pulpo.adapter.QueueAdmin`."""
        return [self._is_done(job, "delete") for job in self.peek(ids)]

    @_understood
    def edit(self, id: JobId, rewritten: NewJob) -> bool:
        """Put the rewritten job, then delete the old one; see `pulpo.adapter.QueueAdmin`."""
        check_new_job(rewritten)
        (old,) = self.peek([id])
        if old is None or old.state is JobState.RESERVED:
            return False
        refused = too_big(rewritten, self._walker.max_body())
        if refused is not None:
            raise refused
        delay = commands.whole_delay(rewritten, self._clock.wall())
        buried = old.state is JobState.BURIED
        with self._control.talking() as client:
            client.use(rewritten.queue)
            copy = client.put(
                rewritten.body,
                rewritten.priority,
                BURY_DELAY if buried else delay,
                max(math.ceil(rewritten.ttr), 1),
            )
            client.use("default")
            if buried:
                client.bury(client.reserve_job(copy), rewritten.priority)
            try:
                client.delete(old.number)
            except greenstalk.NotFoundError:
                # Somebody reserved or deleted the old one meanwhile: theirs counts.
                client.delete(copy)
                return False
        return True

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

    def _is_done(self, job: ListedJob | None, verb: str) -> bool:
        if job is None or job.state is JobState.RESERVED:
            return False
        with self._control.talking() as client:
            try:
                getattr(client, verb)(job.number)
            except greenstalk.NotFoundError:
                return False
        return True

    def _is_buried(self, job: ListedJob | None) -> bool:
        if job is None or job.state not in (JobState.READY, JobState.DELAYED):
            return False
        with self._control.talking() as client:
            try:
                client.bury(client.reserve_job(job.number), job.priority)
            except greenstalk.NotFoundError:
                return False
        return True

    def _expected(self, queue: str | None, state: JobState | None) -> int:
        """Return how many jobs there are to list, so that the walk ends once they are found."""
        if queue is None:
            return 2**63
        counts = self.stats(queue)
        if state is None:
            return counts.ready + counts.delayed + counts.reserved + counts.buried
        return int(getattr(counts, state.value))
