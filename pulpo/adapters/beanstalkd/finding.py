"""Where the job with an id is on beanstalkd, and which jobs there are at a glimpse.

A job's number is known again once it was seen, so that what an operator has before him is found
at once. Only looks. How a walk goes is known in `pulpo.adapters.beanstalkd.walking`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, MutableMapping, Sequence

import greenstalk

from pulpo.adapters.beanstalkd.bisecting import neighbourhood
from pulpo.adapters.beanstalkd.control import Control
from pulpo.adapters.beanstalkd.walking import Found, Walker, pulpo_id
from pulpo.job import JobId, JobState, ListedJob

__all__ = ["Finder", "place"]

# Of ids whose numbers are known: a few MB at most.
_MOST_KNOWN = 50_000
_ORDER = [JobState.READY, JobState.RESERVED, JobState.DELAYED, JobState.BURIED]
# Of ids that are searched for one by one.
_FEW = 8


class Finder:
    """Finds jobs; one thread. `known` maps ids to numbers, and may be shared by several threads."""

    def __init__(self, walker: Walker, control: Control, known: MutableMapping[str, int]) -> None:
        self._walker = walker
        self._control = control
        self._known = known

    def find(self, ids: Sequence[JobId], *, most: int | None = None) -> dict[JobId, ListedJob]:
        """Return the jobs with these ids, after `most` numbers at the latest."""
        hits = self._recalled(ids)
        self._search(hits, [name for name in ids if name not in hits])
        missing = {name for name in ids if name not in hits}
        for job in self._walker.walk(most) if missing else ():
            name = pulpo_id(job)
            if name in missing:
                hits[name] = job
                missing.discard(name)
                if not missing:
                    break
        found = {job.id: job for job in self._described(list(hits.values()))}
        if lost := {name for name in hits if name not in found}:
            # The copy that was met is none that anybody can have; the job itself may be elsewhere.
            copies = [job for job in self._walker.walk(most) if pulpo_id(job) in lost]
            found |= {job.id: job for job in self._described(copies)}
        return found

    def spot(self, id: JobId, *, numbers: int) -> tuple[ListedJob | None, bool]:
        """Look for one job by so many numbers; True = the answer is certain.

        By none of them it is looked for where it was seen last, at next to no cost.
        """
        if not numbers:
            seen = self._described(list(self._recalled([id]).values()))
            return (seen[0], True) if seen else (None, False)
        found = self.find([id], most=numbers).get(id)
        return found, found is not None or self._walker.saw_all

    def glimpse(
        self, queue: str | None, state: JobState | None, *, limit: int, numbers: int
    ) -> tuple[list[ListedJob], bool]:
        """Return the next jobs of a queue and others among so many numbers; True = that is all."""
        jobs = {job.number: job for job in self._next(queue, state)}
        for found in self._walker.walk(numbers):
            jobs.setdefault(found.number, found)
        all_seen = self._walker.saw_all
        listed = sorted(self._matching(list(jobs.values()), queue, state), key=place)
        return listed[:limit], all_seen and len(listed) <= limit

    def _next(self, queue: str | None, state: JobState | None) -> list[Found]:
        """Return what the server itself shows of a queue: the next job of each state."""
        if queue is None:
            return []
        found = []
        with self._control.talking() as client:
            client.use(queue)
            looks: dict[JobState, Callable[[], greenstalk.Job[bytes]]] = {
                JobState.READY: client.peek_ready,
                JobState.DELAYED: client.peek_delayed,
                JobState.BURIED: client.peek_buried,
            }
            for wanted, look in looks.items():
                if state in (None, wanted):
                    try:
                        job = look()
                    except greenstalk.NotFoundError:
                        continue
                    found.append(Found(job.id, bytes(job.body)))
            client.use("default")
        return found

    def _search(self, hits: dict[JobId, Found], missing: Sequence[JobId]) -> None:
        """Look for ids where their age says that they are; for many of them a walk is shorter."""
        if not 0 < len(missing) <= _FEW:
            return
        _, newest = self._walker.extent()
        for wanted in missing:
            near = neighbourhood(wanted, newest, peek=self._walker.peek, name=pulpo_id)
            for job in self._walker.peek(near):
                if pulpo_id(job) == wanted:
                    hits[wanted] = job

    def _recalled(self, ids: Sequence[JobId]) -> dict[JobId, Found]:
        return {name: job for job in self._guesses(ids) if (name := pulpo_id(job)) in ids}

    def _guesses(self, ids: Sequence[JobId]) -> list[Found]:
        """Return the jobs under the numbers that these ids are, or were last seen under."""
        numbers = {int(name) for name in ids if _is_number(name)}
        numbers |= {self._known[name] for name in ids if name in self._known}
        return self._walker.peek(sorted(numbers))

    def _matching(
        self, jobs: Sequence[Found], queue: str | None, state: JobState | None
    ) -> Iterator[ListedJob]:
        for job in self._described(jobs):
            if queue in (None, job.queue) and state in (None, job.state):
                yield job

    def _described(self, jobs: Sequence[Found]) -> list[ListedJob]:
        described = self._walker.describe(jobs)
        if len(self._known) > _MOST_KNOWN:
            self._known.clear()
        self._known.update((job.id, job.number) for job in described)
        return described


def place(job: ListedJob) -> tuple[int, float, int, int]:
    """Return what to sort by: the order in which jobs would run."""
    return (_ORDER.index(job.state), job.due, job.priority, job.number)


def _is_number(id: JobId) -> bool:
    return id.isdigit() and id.isascii() and len(id) < 19
