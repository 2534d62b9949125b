"""A queue of a test's own: what an app publishes goes there, and the test looks at it.

Running jobs is the business of `pulpo.testing.worker`; which engine it is, of
`pulpo.testing.places`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from pulpo.adapter import Engine
from pulpo.duration import Duration
from pulpo.errors import UsageError
from pulpo.function import JobFunction
from pulpo.job import JobState
from pulpo.testing.clock import TrialClock
from pulpo.testing.connections import NotingConnections
from pulpo.testing.inline import Inline
from pulpo.testing.published import Arguments, PublishedJob, Wanted, published_job
from pulpo.testing.runs import Runs
from pulpo.testing.schedules import Schedules
from pulpo.testing.worker import TrialWorker
from pulpo.view import ShownJob, show

if TYPE_CHECKING:
    from pulpo.app import Pulpo

__all__ = ["TrialQueue"]

_MOST_LISTED = 10_000
_MOST_SHOWN = 10


class TrialQueue:
    """The queue of one test, its clock and its worker; made by `pulpo.testing.trial`."""

    def __init__(self, app: Pulpo, connections: NotingConnections, clock: TrialClock) -> None:
        self._connections = connections
        #: The app whose jobs come here.
        self.app = app
        #: The queue's URL.
        self.url = connections.url
        #: The time of this queue.
        self.clock = clock
        #: What runs the jobs of this queue.
        self.worker = TrialWorker(
            app, clock, lambda: ((noted.job.type, noted.job.queue) for noted in connections.record)
        )
        self._schedules = Schedules(app, clock)
        self.worker.by_the_clock.append(self._schedules)
        self.worker.told.append(self._schedules.ended)
        clock.leaving = self._schedules.know

    @property
    def engine(self) -> Engine:
        """The engine, with doors for a test that wants to reserve jobs by hand."""
        return self._connections.engine

    def run_inline(self) -> None:
        """Run each job when it is published or comes due, from now on; see `pulpo_inline`."""
        inline = Inline(self.worker, self.clock)
        self._connections.afterwards = inline
        self.clock.living = inline.live

    def published(
        self,
        type: str | JobFunction[..., Any] | None = None,
        *,
        args: Arguments | None = None,
        queue: str | None = None,
        due_in: Duration | tuple[Duration, Duration] | None = None,
    ) -> list[PublishedJob]:
        """Return what was published since the test began, run or not, in order.

        `type` is a job function or the type's name. `args` are the first arguments as a tuple, or
        some of them by name: what is not named may be anything. `due_in` is how long after its
        publication a job may run, within a second, or a pair of the least and the most.
        """
        wanted = Wanted.of(type, args, queue, due_in)
        return [job for job in self._all() if not wanted.differences(job)]

    def assert_published(
        self,
        type: str | JobFunction[..., Any] | None = None,
        *,
        args: Arguments | None = None,
        queue: str | None = None,
        due_in: Duration | tuple[Duration, Duration] | None = None,
        times: int | None = None,
    ) -> PublishedJob:
        """Return the first job that was published so; fail, and show what was, if there is none.

        With `times` exactly so many must have been. The rest is as for `published`.
        """
        __tracebackhide__ = True
        if times is not None and times < 1:
            raise UsageError(f"times must be 1 or more; for none, use refute_published: {times!r}")
        wanted = Wanted.of(type, args, queue, due_in)
        found = [job for job in self._all() if not wanted.differences(job)]
        if not found:
            raise AssertionError(_none_like(wanted, self._all()))
        if times is not None and len(found) != times:
            raise AssertionError(
                f"published {len(found)} times, not {times}: {wanted}{_lines(map(str, found))}"
            )
        return found[0]

    def refute_published(
        self,
        type: str | JobFunction[..., Any] | None = None,
        *,
        args: Arguments | None = None,
        queue: str | None = None,
        due_in: Duration | tuple[Duration, Duration] | None = None,
    ) -> None:
        """Fail if a job was published so, and show it; as for `published`."""
        __tracebackhide__ = True
        found = self.published(type, args=args, queue=queue, due_in=due_in)
        if found:
            wanted = Wanted.of(type, args, queue, due_in)
            raise AssertionError(f"was published, {wanted}:{_lines(map(str, found))}")

    def jobs(self, *, state: str | None = None, queue: str | None = None) -> list[ShownJob]:
        """Return the jobs that are in the queue now, as `pulpo jobs show` shows them.

        `state` is `ready`, `delayed`, `reserved` or `buried`.
        """
        admin = self.engine.admin()
        try:
            asked = None if state is None else _state(state)
            found = admin.list(queue, asked, limit=_MOST_LISTED)
            return [show(job, self.app.codec) for job in found]
        finally:
            admin.close()

    def drain(self, *, at_most: int | None = None) -> Runs:
        """Run what is due; see `TrialWorker.run`."""
        return self.worker.run(at_most=at_most)

    def close(self) -> None:
        """Let go of the queue; what runs the block of a trial does."""
        self._schedules.close()
        self.worker.close()

    def _all(self) -> list[PublishedJob]:
        return [published_job(noted, self.app.codec) for noted in self._connections.record]


def _state(name: str) -> JobState:
    known = [state.value for state in JobState]
    if name not in known:
        raise UsageError(f"state must be {', '.join(known)}: {name!r}")
    return JobState(name)


def _none_like(wanted: Wanted, jobs: Sequence[PublishedJob]) -> str:
    """Say what was published instead: what differs least first, and in what it differs."""
    if not jobs:
        return f"was not published, {wanted}; nothing was"
    told = [(wanted.differences(job), job) for job in jobs]
    told.sort(key=lambda pair: (_is_of_another_type(wanted, pair[1]), len(pair[0])))
    lines = [f"{job}  <- {', '.join(differences)}" for differences, job in told]
    return f"was not published, {wanted}; what was, the nearest first:{_lines(lines)}"


def _is_of_another_type(wanted: Wanted, job: PublishedJob) -> bool:
    return wanted.type is not None and wanted.type != job.type


def _lines(lines: Iterable[str]) -> str:
    told = list(lines)
    more = len(told) - _MOST_SHOWN
    if more > 0:
        told[_MOST_SHOWN:] = [f"and {more} more"]
    return "".join(f"\n  {line}" for line in told)
