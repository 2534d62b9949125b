"""What needs a person, in words, from what is known of queues and workers. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pulpo.dashboard.side import WorkerSeen
from pulpo.duration import as_text
from pulpo.job import QueueStats

__all__ = ["Alarm", "alarms"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Alarm:
    """One thing that is wrong: in which queue, what, and what to do; `state` is what to look at."""

    queue: str
    text: str
    hint: str
    state: str


def alarms(
    queues: Sequence[QueueStats], workers: Sequence[WorkerSeen] | None, *, knows_all: bool = True
) -> list[Alarm]:
    """Return what is wrong, the worst first; without workers told of, nothing is said of them.

    Without `knows_all` there may be more workers, on other hosts.
    """
    served = None if workers is None else {name for worker in workers for name in worker.queues}
    found = []
    for stats in queues:
        if stats.ready and served is not None and stats.queue not in served:
            found.append(_unserved(stats, knows_all=knows_all))
        if stats.paused and (stats.ready or stats.delayed):
            found.append(_paused(stats))
        if stats.buried:
            found.append(_buried(stats))
    for worker in workers or ():
        found += [
            Alarm(
                queue=job.queue,
                text=f"worker {worker.name} has run {job.type} for {as_text(round(job.seconds))}",
                hint="That is longer than its timeout allows; look at its stack.",
                state="reserved",
            )
            for job in worker.running
            if job.is_overdue
        ]
    return found


def _jobs(count: int) -> str:
    return "1 job" if count == 1 else f"{count:,} jobs"


def _unserved(stats: QueueStats, *, knows_all: bool) -> Alarm:
    waits = "waits" if stats.ready == 1 else "wait"
    some, elsewhere = ("", "") if knows_all else (" of this host", ", or look on the other hosts")
    return Alarm(
        queue=stats.queue,
        text=f"{_jobs(stats.ready)} {waits} and no worker{some} serves this queue",
        hint=f"Start one: pulpo worker MODULE -q {stats.queue}{elsewhere}",
        state="ready",
    )


def _paused(stats: QueueStats) -> Alarm:
    left = "" if stats.pause_left is None else f" for {as_text(round(stats.pause_left) or 1)} more"
    waiting = stats.ready + stats.delayed
    return Alarm(
        queue=stats.queue,
        text=f"paused{left}, with {_jobs(waiting)} waiting",
        hint="Resume it, or wait for the end of the pause.",
        state="ready",
    )


def _buried(stats: QueueStats) -> Alarm:
    return Alarm(
        queue=stats.queue,
        text=f"{_jobs(stats.buried)} buried",
        hint="Read the error, mend its cause, then kick or delete.",
        state="buried",
    )
