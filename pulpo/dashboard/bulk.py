"""What is done to all jobs that a filter means: found first, then changed batch by batch.

The person has confirmed a number; where more match by now, nothing is done, and what was found is
kept, so that they can say so of exactly those. Runs in the thread of an errand.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from pulpo.adapter import QueueAdmin
from pulpo.bulk import Order, acted_on, carry_out, matching
from pulpo.codec import Codec
from pulpo.dashboard.errands import Errands, Stage
from pulpo.dashboard.verbs import ACTS
from pulpo.errors import UsageError
from pulpo.job import JobState, Sighting
from pulpo.job_filter import JobFilter

__all__ = ["Bulk", "ChangedError", "act_on_all", "act_on_kept", "count_all", "kick_queue"]

# Where a job was seen is kept in memory for each.
MOST = 1_000_000
_RESTING = (JobState.READY, JobState.DELAYED, JobState.BURIED)


class ChangedError(UsageError):
    """More jobs match now than the person has seen."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bulk:
    """An act on all that matches; `most` is the number that was confirmed.

    `order` makes what is to be done, once that is certain: it may ask the queue. `now` is the
    second since the epoch that ages are measured at.
    """

    verb: str
    wanted: JobFilter
    keys: Codec
    now: float
    most: int
    order: Callable[[], Order]


def act_on_all(admin: QueueAdmin, bulk: Bulk, errands: Errands) -> None:
    """Find the jobs that are meant, and carry it out where they are no more than was confirmed.

    Raises `UsageError` where none of them could be changed.
    """
    states = acted_on(ACTS[bulk.verb], bulk.wanted.state)
    # Bodies are fetched once more when they are written anew, by the id that only they may say.
    found = _found(admin, bulk, states, errands, bodies=bulk.verb == "bury")
    jobs = [job for state in states for job in found.get(state, ())]
    if len(jobs) > bulk.most:
        errands.keep({bulk.verb: jobs})
        errands.note(
            stage=Stage.COUNTED,
            acts={bulk.verb: len(jobs)},
            reason=f"it would be {len(jobs):,} jobs now, not {bulk.most:,} as the page said; "
            "look again",
        )
        return
    _carry_out(admin, bulk, jobs, errands)


def act_on_kept(admin: QueueAdmin, bulk: Bulk, jobs: Sequence[Sighting], errands: Errands) -> None:
    """Do it to exactly the jobs that a count has found."""
    _carry_out(admin, bulk, jobs, errands)


def count_all(admin: QueueAdmin, bulk: Bulk, errands: Errands) -> None:
    """Find the jobs that match, and keep where they are until it is said what to do with them."""
    found = _found(admin, bulk, _RESTING, errands, bodies=True)
    kept = {
        verb: [job for state in acted_on(act, bulk.wanted.state) for job in found.get(state, ())]
        for verb, act in ACTS.items()
    }
    errands.keep(kept)
    errands.note(stage=Stage.COUNTED, acts={verb: len(jobs) for verb, jobs in kept.items()})


def kick_queue(admin: QueueAdmin, queue: str, errands: Errands) -> None:
    """Kick whatever is buried in a queue, in the engine's own way."""
    total = admin.stats(queue).buried
    errands.note(stage=Stage.ACTING, total=total)
    errands.note(stage=Stage.DONE, done=admin.kick_all(queue))


def _found(
    admin: QueueAdmin,
    bulk: Bulk,
    states: Sequence[JobState],
    errands: Errands,
    *,
    bodies: bool,
) -> Mapping[JobState, list[Sighting]]:
    """Walk through all jobs that may be meant, and return where those of these states are."""
    found: dict[JobState, list[Sighting]] = {}
    wanted = replace(bulk.wanted, state=states[0]) if len(states) == 1 else bulk.wanted
    count = 0
    for page, jobs in matching(admin, wanted, bulk.keys, now=bulk.now, bodies=bodies):
        for job in jobs:
            if job.state in states:
                found.setdefault(job.state, []).append(job.sighting)
                count += 1
        errands.note(looked=page.seen, found=count, unseen=page.unseen)
        if count > MOST:
            raise UsageError(f"more than {MOST:,} jobs match; narrow the filter")
    return found


def _carry_out(admin: QueueAdmin, bulk: Bulk, jobs: Sequence[Sighting], errands: Errands) -> None:
    errands.note(stage=Stage.ACTING, total=len(jobs))
    order = bulk.order()
    refused, why = 0, set[str]()
    for tally in carry_out(admin, order, jobs):
        refused, why = tally.refused, tally.why
        errands.note(done=tally.done, left=tally.left + tally.refused)
    reason = "; ".join(sorted(why)[:5])
    shown = errands.shown
    if refused and shown is not None and not shown.done:
        raise UsageError(reason)
    errands.note(stage=Stage.DONE, reason=reason)
