"""The ways to a test's queue: every job that an app publishes is noted on its way.

Knows no job types and no worker: who wants something done after a publish says so.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple, Protocol, TypeVar, cast

from pulpo.adapter import Engine, QueueAdapter
from pulpo.clock import Clock
from pulpo.connections import Connections
from pulpo.errors import QueueError
from pulpo.job import Existing, JobId, NewJob

__all__ = ["Afterwards", "Noted", "NotingConnections"]

T = TypeVar("T")


class Noted(NamedTuple):
    """A job that was accepted, and the second since the epoch at which it was."""

    job: NewJob
    moment: float


class Afterwards(Protocol):
    """What is done after each publish, before the publisher goes on."""

    def run(self) -> None:
        """Do it in the publisher's thread."""
        ...

    async def arun(self) -> None:
        """Do it on the publisher's event loop."""
        ...


class NotingConnections(Connections):
    """Connections whose adapters keep a record; `afterwards` may be set at any time.

    Event loops are served in their own thread: a test's queue keeps nobody waiting, and the test
    sees its own context.
    """

    def __init__(self, engine: Engine, url: str, clock: Clock) -> None:
        super().__init__(engine, url)
        self._clock = clock
        self.record: list[Noted] = []
        self.afterwards: Afterwards | None = None

    def adapter(self) -> QueueAdapter:
        """Return the calling thread's own adapter."""
        # Any other verb than put is the real adapter's, whatever an engine has beside the port.
        return cast(QueueAdapter, _Door(super().adapter(), self._put_and_go_on))

    async def call(self, function: Callable[[QueueAdapter], T]) -> T:
        """Call a function with the adapter of the event loop's thread."""
        found = function(cast(QueueAdapter, _Door(super().adapter(), self._put)))
        if self.afterwards is not None:
            await self.afterwards.arun()
        return found

    def _put_and_go_on(
        self, real: QueueAdapter, jobs: Sequence[NewJob]
    ) -> Sequence[JobId | Existing | QueueError]:
        answers = self._put(real, jobs)
        if self.afterwards is not None:
            self.afterwards.run()
        return answers

    def _put(
        self, real: QueueAdapter, jobs: Sequence[NewJob]
    ) -> Sequence[JobId | Existing | QueueError]:
        answers = real.put(jobs)
        moment = self._clock.wall()
        # Another answer than its own id: refused, or there already.
        accepted = [job for job, said in zip(jobs, answers, strict=True) if said == job.id]
        self.record += [Noted(job, moment) for job in accepted]
        return answers


class _Door:
    """A thread's adapter, whose `put` goes by somebody else."""

    def __init__(
        self,
        real: QueueAdapter,
        put: Callable[[QueueAdapter, Sequence[NewJob]], Sequence[JobId | Existing | QueueError]],
    ) -> None:
        self._real = real
        self._put = put

    def put(self, jobs: Sequence[NewJob]) -> Sequence[JobId | Existing | QueueError]:
        return self._put(self._real, jobs)

    def __getattr__(self, name: str) -> object:
        return getattr(self._real, name)
