"""The jobs of one memory engine: which state each is in, and how it gets into the next.

Every method is called with `lock` held; whoever waits for a job waits on it too. Knows no
settlement and no operator.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from threading import Condition

from pulpo.adapters.memory.guarding import Guards
from pulpo.adapters.memory.line import Entry, Line
from pulpo.clock import Clock
from pulpo.errors import JobTooBigError
from pulpo.job import Job, JobState, NewJob

__all__ = ["Queue", "Store"]


class Queue:
    """The ready jobs of one queue in line, the others counted."""

    def __init__(self) -> None:
        self.ready = Line()
        self.buried: dict[int, Entry] = {}
        self.counts = dict.fromkeys(JobState, 0)
        self.paused_until = 0.0


class Store:
    """All queues of one engine."""

    def __init__(self, clock: Clock, max_body: int, guards: Guards) -> None:
        self.lock = Condition()
        self.clock = clock
        self.max_body = max_body
        self.guards = guards
        self.entries: dict[int, Entry] = {}
        self.queues: dict[str, Queue] = {}
        self._ids: dict[str, list[Entry]] = {}
        self._last_number = 0
        # Delays and leases run on the monotonic clock, moments on the wall clock, which jumps.
        self._delayed, self._leased, self._dated = Line(), Line(), Line()

    def refusal(self, job: NewJob) -> JobTooBigError | None:
        """Return why a job is not accepted, None if it is."""
        if len(job.body) <= self.max_body:
            return None
        return JobTooBigError(
            f"job {job.id!r} has {len(job.body)} bytes, the queue takes up to {self.max_body}"
        )

    def add(self, job: NewJob) -> None:
        """Accept a job: ready now, or once its delay is over and its moment has come."""
        entry = self._new(job)
        if job.delay > 0:
            entry.due = self.clock.monotonic() + job.delay
            self._count(entry, JobState.DELAYED)
            self._delayed.push(entry.due, entry)
        else:
            self._count(entry, JobState.DELAYED)
            self._line_up(entry)
        if job.guards:
            self.guards.hold(entry)
        self.lock.notify_all()

    def bury(self, job: NewJob) -> None:
        """Accept a job and put it aside."""
        entry = self._new(job)
        self._count(entry, JobState.BURIED)
        self.queues[job.queue].buried[entry.number] = entry

    def remove(self, entry: Entry) -> None:
        """Forget a job, whatever its state."""
        self._step_out(entry)
        if entry.job.guards:
            self.guards.let_go(entry)
        del self.entries[entry.number]
        same = self._ids[entry.job.id]
        same.remove(entry)
        if not same:
            del self._ids[entry.job.id]
        entry.owner = None
        queue = self.queues[entry.job.queue]
        queue.counts[entry.state] -= 1
        self.forget_if_empty(entry.job.queue)

    def give_back(self, entry: Entry) -> None:
        """Make a job ready at its old place, held by nobody."""
        entry.owner = None
        self._make_ready(entry)

    def kick(self, entry: Entry) -> bool:
        """Make a job ready that rests; False where somebody else holds its key by now."""
        if entry.job.guards and not self.guards.is_free_for(entry):
            return False
        self.give_back(entry)
        if entry.job.guards:
            self.guards.hold(entry)
        return True

    def lease(self, entry: Entry) -> None:
        """Start the lease of a job."""
        self._step_out(entry)
        self._count(entry, JobState.RESERVED)
        self._leased.push(self.clock.monotonic() + entry.job.ttr, entry)

    def renew(self, entry: Entry) -> None:
        """Start the lease anew for the owner who still runs the job, also if it ran out."""
        if entry.state is JobState.READY:
            entry.crashes -= 1
        self.lease(entry)

    def find(self, id: str) -> list[Entry]:
        """Return the jobs with this id; more than one where it was published twice."""
        return list(self._ids.get(id, ()))

    def tick(self) -> None:
        """Do what time has brought: delays, moments and leases that are over."""
        monotonic, wall = self.clock.monotonic(), self.clock.wall()
        while (head := self._delayed.head()) and head[0] <= monotonic:
            self._step_out(head[3])
            self._line_up(head[3])
        while (head := self._dated.head()) and head[0] <= wall:
            self._make_ready(head[3])
        while (head := self._leased.head()) and head[0] <= monotonic:
            # Still its owner's until somebody takes it: a late answer saves a second run.
            head[3].crashes += 1
            self._make_ready(head[3])

    def take(self, owner: object, names: Sequence[str], limit: int) -> list[Job]:
        """Reserve up to so many jobs for an owner, the most urgent first."""
        now = self.clock.monotonic()
        queues = [self.queues[name] for name in dict.fromkeys(names) if name in self.queues]
        lines = [queue.ready for queue in queues if queue.paused_until <= now]
        jobs: list[Job] = []
        while len(jobs) < limit:
            heads = [head for line in lines if (head := line.head())]
            if not heads:
                break
            entry = min(heads)[3]
            if entry.owner is owner:
                # It runs there still and the lease was renewed too late: no second run beside it.
                self.renew(entry)
                continue
            self.lease(entry)
            entry.owner, entry.run = owner, entry.run + 1
            if entry.job.guards:
                self.guards.start(entry)
            jobs.append(_reserved(entry))
        return jobs

    def owned(self, owner: object, job: Job) -> Entry | None:
        """Return the entry of a reserved job; None where the owner has lost it."""
        entry = self.entries.get(job.number)
        if entry is None or entry.owner is not owner or entry.run != job.token:
            return None
        return entry

    def next_change(self, names: Sequence[str]) -> float:
        """Return in how many seconds time alone may make a job ready."""
        monotonic, wall = self.clock.monotonic(), self.clock.wall()
        ends = [
            head[0] - monotonic for line in (self._delayed, self._leased) if (head := line.head())
        ]
        if head := self._dated.head():
            ends.append(head[0] - wall)
        pauses = (self.queues[name].paused_until for name in names if name in self.queues)
        ends += [end - monotonic for end in pauses if end > monotonic]
        return min(ends, default=math.inf)

    def queue(self, name: str) -> Queue:
        """Return a queue, made if it is not there."""
        found = self.queues.get(name)
        if found is None:
            found = self.queues[name] = Queue()
        return found

    def forget_if_empty(self, name: str) -> None:
        """Drop a queue that holds no job and no pause: names may be many."""
        queue = self.queues[name]
        if queue.paused_until <= self.clock.monotonic() and not any(queue.counts.values()):
            del self.queues[name]

    def _new(self, job: NewJob) -> Entry:
        self._last_number += 1
        entry = self.entries[self._last_number] = Entry(self._last_number, job)
        self._ids.setdefault(job.id, []).append(entry)
        self.queue(job.queue).counts[entry.state] += 1
        return entry

    def _line_up(self, entry: Entry) -> None:
        at = entry.job.at
        if at is not None and at > self.clock.wall():
            self._dated.push(at, entry)
        else:
            self._make_ready(entry)

    def _make_ready(self, entry: Entry) -> None:
        self._step_out(entry)
        self._count(entry, JobState.READY)
        self.queues[entry.job.queue].ready.push(entry.job.priority, entry)
        self.lock.notify_all()

    def _step_out(self, entry: Entry) -> None:
        if entry.line is not None:
            entry.line.leave(entry)
        elif entry.state is JobState.BURIED:
            del self.queues[entry.job.queue].buried[entry.number]

    def _count(self, entry: Entry, state: JobState) -> None:
        counts = self.queues[entry.job.queue].counts
        counts[entry.state] -= 1
        counts[state] += 1
        entry.state = state


def _reserved(entry: Entry) -> Job:
    return Job(
        number=entry.number,
        body=entry.job.body,
        id=entry.job.id,
        queue=entry.job.queue,
        priority=entry.job.priority,
        ttr=entry.job.ttr,
        crashes=entry.crashes,
        token=entry.run,
    )
