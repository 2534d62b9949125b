"""Jobs with a key, and short words for what becomes of them; for the tests of guards."""

from __future__ import annotations

from typing import Any

import pytest

from pulpo.codec import Codec
from pulpo.contract.stage import Stage
from pulpo.errors import QueueError
from pulpo.identity import new_id
from pulpo.job import (
    Act,
    Change,
    Existing,
    Guard,
    Instead,
    Job,
    JobId,
    ListedJob,
    NewJob,
    Settlement,
    Until,
    Verb,
)

__all__ = [
    "HOLD",
    "Keys",
    "act",
    "becomes",
    "buried",
    "guarded",
    "is_free",
    "is_held",
    "kick",
    "put",
    "running",
]

#: A short time for which a key is held, in seconds.
HOLD = 1.0


class Keys:
    """A key for each test, and the word that a run begins."""

    @pytest.fixture
    def key(self) -> str:
        """Return a key that no other test has, on a server that is shared."""
        return f"contract:{new_id()}"

    def begin(self, stage: Stage, job: Job) -> None:
        """Begin the run of a reserved job as a worker does, where it confirms guards before."""


def guarded(
    stage: Stage,
    key: str,
    text: str = "a job",
    *,
    until: Until = "done",
    instead: Instead | None = None,
    **options: Any,  # any field of NewJob
) -> NewJob:
    """Return a job with one guard."""
    return stage.job(text, guards=[Guard(key, until, instead)], **options)


def put(stage: Stage, *jobs: NewJob) -> list[JobId | Existing | QueueError]:
    """Put jobs; return what is answered."""
    return list(stage.owner.put(jobs))


def running(stage: Stage, key: str) -> tuple[NewJob, Job]:
    """Put a job with a key and reserve it."""
    first = guarded(stage, key)
    put(stage, first)
    return first, stage.take()


def buried(stage: Stage, key: str, text: str = "buried") -> NewJob:
    """Put a job with a key, reserve it and bury it as it is."""
    first = guarded(stage, key, text)
    assert put(stage, first) == [first.id]
    stage.settle(Settlement(Verb.BURY, stage.take(), rewritten=first))
    return first


def becomes(stage: Stage, text: str, **changes: Any) -> Instead:  # any field of NewJob
    """Return what makes such a job of whoever waits."""

    def instead(holder: ListedJob) -> NewJob:
        guards = [Guard(key, until) for key, until in Codec().decode(holder.body).guards]
        job = stage.job(id=holder.id, guards=guards, queue=holder.queue, priority=holder.priority)
        return stage.rewrite(job, text, **changes)

    return instead


def is_held(stage: Stage, key: str, *, by: NewJob, until: Until = "done") -> bool:
    """Tell whether a job holds a key: nobody else is accepted, and the job is named."""
    answers = stage.open().put([guarded(stage, key, "too late", until=until)])
    return [getattr(answer, "id", None) for answer in answers] == [by.id]


def is_free(stage: Stage, key: str) -> bool:
    """Tell whether a key is free; the job that was tried is gone afterwards."""
    job = guarded(stage, key, "tried", queue=stage.other, delay=3_600.0)
    return put(stage, job) == [job.id] and list(stage.admin.delete([job.id])) == [True]


def act(stage: Stage, job: NewJob, act: Act, rewritten: NewJob | None = None) -> object:
    """Do as an operator to a job where it is seen."""
    (answer,) = stage.admin.change([Change(act, stage.seen(job).sighting, rewritten)])
    return answer


def kick(stage: Stage, job: NewJob, how: str) -> bool:
    """Kick a buried job; tell whether it was."""
    if how == "all":
        return stage.admin.kick_all(stage.queue) == 1
    if how == "by its id":
        return list(stage.admin.kick([job.id])) == [True]
    return act(stage, job, Act.KICK) is True
