"""The source's end of a move, and its order: a batch is put at the target, then deleted here.

What is ready is reserved first, so that no worker has it meanwhile. What is delayed or buried is
put, then deleted; where somebody was faster, the copy is taken back before it is due. What is about
to be due waits here until it is ready. Knows the target only as `pulpo.moving.arrival`.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

from pulpo.adapter import QueueAdapter, QueueAdmin
from pulpo.clock import Clock
from pulpo.errors import QueueError
from pulpo.job import Act, Change, Job, JobState, ListedJob, QueueStats, Settlement, Verb
from pulpo.moving.arrival import Arrival
from pulpo.moving.copies import copy_of, copy_of_reserved
from pulpo.moving.journal import Journal
from pulpo.moving.moved import Moved

__all__ = ["Ends", "Mover", "Plan"]

_BATCH = 250
# What is due sooner, in seconds, is not moved while it is delayed: both copies could begin.
_SOON = 10.0
# Between two looks, when all that is left is about to be due.
_PAUSE = 0.5


@dataclass(frozen=True, slots=True)
class Ends:
    """The doors of both queues, all of one thread."""

    source: QueueAdapter
    source_admin: QueueAdmin
    target: QueueAdapter
    target_admin: QueueAdmin


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What to move and how: all queues or some, but those `without`; up to `rate` jobs a second.

    With `wait` it goes on until nothing runs at the source any more.
    """

    queues: Sequence[str] = ()
    without: Collection[str] = ()
    rate: float | None = None
    wait: bool = False


class Mover:
    """Carries out one plan, in one thread.

    `pause` sleeps for so many seconds, `tell` hears after each batch what was moved so far, and
    `is_stopping` is asked between two of them.
    """

    def __init__(
        self,
        ends: Ends,
        journal: Journal,
        plan: Plan,
        clock: Clock,
        *,
        pause: Callable[[float], None],
        tell: Callable[[Moved], None] = lambda _: None,
        is_stopping: Callable[[], bool] = lambda: False,
    ) -> None:
        self._source = ends.source
        self._admin = ends.source_admin
        self._plan = plan
        self._clock = clock
        self._pause = pause
        self._tell = tell
        self._is_stopping = is_stopping
        self.moved = Moved()
        self._arrival = Arrival(ends.target, ends.target_admin, journal, self.moved)
        # What the target refuses stays here: what was reserved until the end, or it would come
        # again and again.
        self._held: list[Job] = []
        self._refused: set[int] = set()
        self._began = clock.monotonic()

    def run(self) -> bool:
        """Move until nothing is left but what runs; False where it was stopped before.

        Raises the `QueueError` of an end that refuses or is out of reach. Another mover with the
        same journal goes on from there.
        """
        self._arrival.open()
        finished = False
        try:
            while not finished and not self._is_stopping():
                before = self.moved.count
                self._pass()
                finished = self._is_finished()
                if not finished and self.moved.count == before:
                    self._pause(_PAUSE)
            self._arrival.close()
        finally:
            if self._held:
                back = [Settlement(Verb.RELEASE, job) for job in self._held]
                self._source.exchange(back, [], limit=0, timeout=0.0)
        return finished

    def _pass(self) -> None:
        for queue in self._names():
            stats = self._admin.stats(queue)
            if stats.paused:
                # Nobody can reserve from it, we neither; and nobody is to run what arrives.
                self._arrival.pause(queue, stats.pause_left)
                self._move_resting(queue, JobState.READY)
            else:
                self._move_ready(queue)
            if stats.delayed:
                self._move_resting(queue, JobState.DELAYED)
            if stats.buried:
                self._move_resting(queue, JobState.BURIED)

    def _names(self) -> Sequence[str]:
        names = self._plan.queues or self._admin.queues()
        return [name for name in names if name not in self._plan.without]

    def _is_finished(self) -> bool:
        rows = [self._admin.stats(queue) for queue in self._names()]
        self.moved.running = sum(row.reserved for row in rows) - len(self._held)
        left = sum(map(_resting, rows)) - len(self._refused)
        return left <= 0 and not (self._plan.wait and self.moved.running > 0)

    def _move_ready(self, queue: str) -> None:
        done: list[Settlement] = []
        while not self._is_stopping():
            answers, jobs = self._source.exchange(done, [queue], limit=self._limit(), timeout=0.0)
            self._note(answers)
            if not jobs:
                return
            done = self._brought(jobs, queue)
            self._keep_pace()
        self._note(self._source.exchange(done, [], limit=0, timeout=0.0)[0])

    def _brought(self, jobs: Sequence[Job], queue: str) -> list[Settlement]:
        """Put reserved jobs at the target; return what is to be said of them here."""
        ids = {job.number: copy_of_reserved(job, queue).id for job in jobs}
        here = self._arrival.put([copy_of_reserved(job, queue) for job in jobs])
        self._held += [job for job in jobs if ids[job.number] not in here]
        return [Settlement(Verb.DELETE, job) for job in jobs if ids[job.number] in here]

    def _note(self, answers: Sequence[bool | QueueError]) -> None:
        for answer in answers:
            if isinstance(answer, QueueError):
                raise answer
            # False: the lease ran out on the way, and somebody else may have run it.
            self.moved.twice += not answer
        if answers:
            self._tell(self.moved)

    def _move_resting(self, queue: str, state: JobState) -> None:
        batch: list[ListedJob] = []
        for page in self._admin.walk(queue, state):
            for job in page.jobs:
                if job.number in self._refused or (state is JobState.DELAYED and job.due < _SOON):
                    continue
                batch.append(job)
                if len(batch) >= self._limit():
                    self._move_listed(batch)
                    batch = []
                if self._is_stopping():
                    return
        if batch:
            self._move_listed(batch)

    def _move_listed(self, jobs: Sequence[ListedJob]) -> None:
        """Move jobs of one state that nobody has reserved."""
        now, grain = self._clock.wall(), self._source.capabilities.delay_unit
        copies = [copy_of(job, now=now, grain=grain) for job in jobs]
        here = self._arrival.put(copies, buried=jobs[0].state is JobState.BURIED)
        brought = [job for job in jobs if job.id in here]
        self._refused.update(job.number for job in jobs if job.id not in here)
        answers = self._admin.change([Change(Act.DELETE, job.sighting) for job in brought])
        for answer in answers:
            if isinstance(answer, QueueError):
                raise answer
        self._arrival.take_back(
            [job.id for job, deleted in zip(brought, answers, strict=True) if not deleted]
        )
        self._tell(self.moved)
        self._keep_pace()

    def _limit(self) -> int:
        rate = self._plan.rate
        return _BATCH if rate is None else max(1, min(_BATCH, int(rate / 4)))

    def _keep_pace(self) -> None:
        """Sleep as long as the rate wants it, and keep the leases of what was refused."""
        if self._plan.rate is not None:
            passed = self._clock.monotonic() - self._began
            early = self.moved.count / self._plan.rate - passed
            if early > 0:
                self._pause(early)
        if self._held:
            self._source.touch(self._held)


def _resting(row: QueueStats) -> int:
    return row.ready + row.delayed + row.buried
