"""One act on many jobs: first a walk that finds and counts them, then batches that carry it out.

Between the two only where the jobs are is kept, not what is in them: a million fit. Knows no
engine and no terminal; both are told of by the caller.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from pulpo.adapter import QueueAdmin
from pulpo.codec import Codec
from pulpo.errors import CodecError
from pulpo.job import Act, Change, JobState, ListedJob, NewJob, Page, Sighting
from pulpo.job_filter import JobFilter
from pulpo.view import show

__all__ = ["Order", "Survey", "Tally", "acted_on", "carry_out", "matching", "survey"]

# How many jobs are changed in one round trip or transaction; fewer where their bodies travel.
_BATCH, _BATCH_WITH_BODIES = 1_000, 250
# The states in which an act finds something to do; who is being run is always left alone.
_RESTING = (JobState.READY, JobState.DELAYED, JobState.BURIED)
_STATES: dict[Act, tuple[JobState, ...]] = {
    Act.KICK: (JobState.BURIED, JobState.DELAYED),
    Act.DELETE: _RESTING,
    Act.REPLACE: _RESTING,
    Act.BURY: (JobState.READY, JobState.DELAYED),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What an operator wants done with which jobs.

    `rewrite` makes the new job where the act needs one: for REPLACE and BURY. It may raise
    `CodecError` for a job that can't be rewritten. Jobs that are in the queue `to` are there.
    """

    act: Act
    wanted: JobFilter
    codec: Codec
    now: float
    rewrite: Callable[[ListedJob], NewJob] | None = None
    to: str | None = None

    def fits(self, job: ListedJob) -> bool:
        """Tell whether the order is about this job, running or not."""
        return not self.wanted.looks_inside or self.wanted.matches(
            show(job, self.codec), now=self.now
        )

    def can_change(self, job: ListedJob) -> bool:
        """Tell whether there is anything to do with a job that fits, in the state it is in."""
        return job.state in acted_on(self.act, self.wanted.state) and job.queue != self.to


def acted_on(act: Act, state: JobState | None) -> tuple[JobState, ...]:
    """Return in which states an act on many finds something to do, where this one is wanted or any.

    To kick means the buried ones: what waits for its time is meant only where it is asked for.
    """
    if act is Act.KICK and state is None:
        return (JobState.BURIED,)
    return tuple(each for each in _STATES[act] if state in (None, each))


@dataclass(frozen=True, slots=True)
class Survey:
    """What a walk has found.

    `running` jobs fit, and are left alone. `unseen` is how many jobs the walk could not look at.
    """

    jobs: Sequence[Sighting]
    running: int = 0
    unseen: int = 0


@dataclass(slots=True)
class Tally:
    """What became of the jobs so far; `left` were taken by others since they were counted.

    `why` are the different reasons of those that were refused.
    """

    done: int = 0
    left: int = 0
    refused: int = 0
    why: set[str] = field(default_factory=set)


def matching(
    admin: QueueAdmin, wanted: JobFilter, codec: Codec, *, now: float, bodies: bool = True
) -> Iterator[tuple[Page, list[ListedJob]]]:
    """Yield each page of a walk with those of its jobs that fit; `bodies` as in `walk`."""
    bodies = bodies or wanted.looks_inside
    for page in admin.walk(wanted.queue, wanted.state, type=wanted.one_type, bodies=bodies):
        if wanted.looks_inside:
            yield page, [j for j in page.jobs if wanted.matches(show(j, codec), now=now)]
        else:
            yield page, list(page.jobs)


def survey(
    admin: QueueAdmin, order: Order, tell: Callable[[Page, int], None] = lambda _, __: None
) -> Survey:
    """Find the jobs that an order is about; `tell` hears of each page how many were found."""
    jobs: list[Sighting] = []
    running = unseen = 0
    wanted = order.wanted
    # Who is only to be kicked or deleted is known by where it is.
    bodies = order.rewrite is not None
    for page, found in matching(admin, wanted, order.codec, now=order.now, bodies=bodies):
        jobs += [job.sighting for job in found if order.can_change(job)]
        running += sum(job.state is JobState.RESERVED and job.queue != order.to for job in found)
        unseen = page.unseen
        tell(page, len(jobs))
    return Survey(jobs, running, unseen)


def carry_out(admin: QueueAdmin, order: Order, jobs: Sequence[Sighting]) -> Iterator[Tally]:
    """Change the jobs, batch by batch; yields the tally after each.

    Raises `QueueUnavailableError`, and may be called again then with the jobs that are left: what
    was done is done.
    """
    tally = Tally()
    size = _BATCH if order.rewrite is None else _BATCH_WITH_BODIES
    for start in range(0, len(jobs), size):
        batch = jobs[start : start + size]
        changes = _changes(admin, order, batch, tally)
        for answer in admin.change(changes):
            if answer is True:
                tally.done += 1
            elif answer is False:
                tally.left += 1
            else:
                tally.refused += 1
                tally.why.add(str(answer))
        yield tally


def _changes(
    admin: QueueAdmin, order: Order, batch: Sequence[Sighting], tally: Tally
) -> list[Change]:
    if order.rewrite is None:
        return [Change(order.act, job) for job in batch]
    changes = []
    for before, job in zip(batch, admin.look(batch), strict=True):
        if job is None or not order.can_change(job) or not order.fits(job):
            tally.left += 1
            continue
        try:
            changes.append(Change(order.act, before, order.rewrite(job)))
        except CodecError as error:
            tally.refused += 1
            tally.why.add(str(error))
    return changes
