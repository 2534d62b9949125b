"""What a look at a queue has found, as values: `pulpo doctor` prints them, engines make them.

Here stands too what the counts of any engine's queues say. Pure: who looks, and how, is each
engine's own, in its `checkup.py`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from enum import Enum

from pulpo.job import QueueStats

__all__ = ["Finding", "Level", "fault", "judge_disk", "judge_queues", "note", "ok", "warning"]

_SHOWN_NAMES = 5


class Level(Enum):
    """How bad it is.

    FAULT breaks a promise, or is about to. WARNING will hurt some day, or costs more than it
    should. NOTE is something to know. OK is as it should be.
    """

    OK = "ok"
    NOTE = "note"
    WARNING = "warning"
    FAULT = "fault"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One check: what it found, why that matters, and what to do where something should be done."""

    name: str
    level: Level
    found: str
    why: str
    do: str = ""


def ok(name: str, found: str, why: str) -> Finding:
    """Return that all is well."""
    return Finding(name=name, level=Level.OK, found=found, why=why)


def note(name: str, found: str, why: str, do: str = "") -> Finding:
    """Return something to know."""
    return Finding(name=name, level=Level.NOTE, found=found, why=why, do=do)


def warning(name: str, found: str, why: str, do: str) -> Finding:
    """Return something that will hurt some day."""
    return Finding(name=name, level=Level.WARNING, found=found, why=why, do=do)


def fault(name: str, found: str, why: str, do: str) -> Finding:
    """Return something that breaks a promise."""
    return Finding(name=name, level=Level.FAULT, found=found, why=why, do=do)


def judge_disk(free: int, size: int, *, least: int) -> Finding:
    """Judge the room on a queue's disk, all in bytes; `least` is what the engine cannot do without.

    A tenth of the disk, or twice the least, is left early enough for a person to look after it.
    """
    why = "on a full disk nothing is accepted, and in the end nothing can be settled"
    do = "make room on the disk, or move the queue to a larger one"
    found = f"{free >> 20:,} MB of {size >> 20:,} MB free"
    if free < least:
        return fault("disk", f"{found}; less than {least >> 20:,} MB is too little", why, do)
    if free < size // 10 or free < 2 * least:
        return warning("disk", found, why, do)
    return ok("disk", found, why)


def judge_queues(
    counted: Sequence[QueueStats], unserved: Collection[str] | None, *, keeps_pause: bool
) -> Iterator[Finding]:
    """Yield what the counts say: buried jobs, pauses, and work that nobody does.

    `unserved` are the queues that no worker takes jobs from; None where that cannot be known.
    """
    yield _buried([found for found in counted if found.buried])
    yield _paused([found.queue for found in counted if found.paused], keeps_pause)
    if unserved is not None:
        waiting = [f for f in counted if f.ready and not f.paused and f.queue in unserved]
        yield _workers(waiting)


def _buried(queues: Sequence[QueueStats]) -> Finding:
    why = "a buried job has failed for good and waits for a person"
    count = sum(found.buried for found in queues)
    if not count:
        return ok("buried", "no buried jobs", why)
    names = _named([found.queue for found in queues])
    return warning(
        "buried",
        f"{count} buried in {names}",
        why,
        "read `pulpo jobs list --state buried` and `pulpo jobs show ID`, then kick or delete them",
    )


def _paused(queues: Sequence[str], keeps_pause: bool) -> Finding:
    why = "no worker takes a job from a paused queue"
    if not keeps_pause:
        why += ", and a restart of the server ends every pause without a word"
    if not queues:
        return ok("paused", "no paused queues", why)
    return note("paused", f"paused: {_named(queues)}", why, "`pulpo resume QUEUE` ends a pause")


def _workers(waiting: Sequence[QueueStats]) -> Finding:
    why = "jobs wait until a worker serves their queue"
    if not waiting:
        return ok("workers", "no ready jobs in a queue without a worker", why)
    count = sum(found.ready for found in waiting)
    names = _named([found.queue for found in waiting])
    return warning(
        "workers",
        f"{count} ready in {names}, and no worker serves them",
        why,
        "start one: `pulpo worker MODULE... -q QUEUE`",
    )


def _named(queues: Sequence[str]) -> str:
    shown = ", ".join(map(repr, queues[:_SHOWN_NAMES]))
    more = len(queues) - _SHOWN_NAMES
    return f"{shown} and {more} more" if more > 0 else shown
