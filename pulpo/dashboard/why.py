"""Why a job is not running, in a sentence, and what to do about it.

Pure: from the job itself and the counts of its queue. What workers know is not known here.
"""

from __future__ import annotations

from dataclasses import dataclass

from pulpo.duration import as_text
from pulpo.job import QueueStats
from pulpo.view import ShownJob
from pulpo.worker.story import as_line

__all__ = ["Why", "why"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Why:
    """The reason and a hint."""

    text: str
    hint: str = ""


def why(job: ShownJob, queue: QueueStats | None) -> Why:
    """Return why this job is where it is; `queue` is None where it was not counted yet."""
    if job.state == "reserved":
        return Why(text="It is being run now.", hint="What is being run can't be changed.")
    if job.state == "buried":
        return _buried(job)
    if job.state == "delayed":
        return _delayed(job)
    if queue is not None and queue.paused:
        left = "" if queue.pause_left is None else f" for {_span(queue.pause_left)} more"
        return Why(text=f"Its queue is paused{left}.", hint=f"Resume the queue {queue.queue}.")
    if job.problem:
        return Why(text=f"It is ready, but {job.problem}.", hint="No worker runs it like this.")
    return Why(
        text="It is ready to run"
        + ("." if queue is None else f", one of {max(queue.ready, 1):,} in its queue."),
        hint="If that does not move: is there a worker that serves this queue?",
    )


def _buried(job: ShownJob) -> Why:
    if job.problem:
        return Why(text=f"It is buried: {job.problem}.", hint="Delete it, or find who put it.")
    said = as_line(job.error) if job.error else ""
    return Why(
        text=f"It is buried: {said}" if said else "It is buried; nothing says why.",
        hint="Mend the cause, then kick it: it gets one more run.",
    )


def _delayed(job: ShownJob) -> Why:
    if job.attempt > 1 and job.error:
        return Why(
            text=f"It has failed, and attempt {job.attempt} begins in {_span(job.due)}: "
            f"{as_line(job.error)}",
            hint="Kick it to run it now.",
        )
    if job.problem:
        return Why(text=f"It was put aside for {_span(job.due)}: {job.problem}.")
    return Why(
        text=f"It was scheduled, and is due in {_span(job.due)}.", hint="Kick it to run it now."
    )


def _span(seconds: float) -> str:
    return as_text(round(seconds) or 1)
