"""Which of the jobs that wait could not be run by the code that is here.

Asks the worker's own opening of a job, and runs nothing. Looks at what waits for a worker: not at
buried jobs, which wait for a person. Changes nothing in the queue and keeps no lock on it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from enum import Enum

from pulpo.adapter import QueueAdmin
from pulpo.clock import Clock
from pulpo.codec import Codec
from pulpo.envelope import UNDECODABLE
from pulpo.errors import CodecError
from pulpo.job import Job, JobId, JobState, ListedJob
from pulpo.registry import Registry
from pulpo.worker.decide import EXPIRED
from pulpo.worker.opening import open_job

__all__ = ["Failing", "Kind", "Misfit", "Survey", "misfit", "survey"]


class Kind(Enum):
    """Why a job could not be run.

    UNKNOWN_TYPE: no handler here knows its type. ARGUMENTS: they do not fit the handler's
    signature. SIGNATURE: not signed, or with a key that is not known here. UNDECODABLE: its bytes
    are no job.
    """

    UNKNOWN_TYPE = "unknown_type"
    ARGUMENTS = "arguments"
    SIGNATURE = "signature"
    UNDECODABLE = "undecodable"


@dataclass(frozen=True, slots=True, kw_only=True)
class Misfit:
    """A job that could not be run, and why; `type` is None where its bytes are no job."""

    id: JobId
    queue: str
    type: str | None
    kind: Kind
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Failing:
    """How many jobs of one type fail in one way, and the first of them that was met."""

    count: int
    example: Misfit


@dataclass(frozen=True, slots=True, kw_only=True)
class Survey:
    """What a look at the waiting jobs has found, the most frequent first.

    `looked_at` jobs of `of` that waited when it began; `complete` where none was left out.
    `unserved` counts, by queue, those that fit but wait where a worker of this code does not look,
    unless it is told to.
    """

    looked_at: int
    of: int
    complete: bool
    failing: tuple[Failing, ...]
    unserved: Mapping[str, int]


def misfit(job: ListedJob, codec: Codec, registry: Registry, *, now: float) -> Misfit | None:
    """Return why a job could not be run by this code; None if it could.

    `now` is seconds since the epoch: an expired job is not run, which is as it should be.
    """
    reserved = Job(
        number=job.number,
        body=job.body,
        id=job.id,
        queue=job.queue,
        priority=job.priority,
        ttr=job.ttr,
    )
    run, verdict = open_job(reserved, codec, registry, now=now, spread=0.0)
    if verdict is None or verdict is EXPIRED:
        return None
    type: str | None = run.type
    if type == UNDECODABLE:
        type = _unverified_type(job.body)
        kind = Kind.UNDECODABLE if type is None else Kind.SIGNATURE
    else:
        kind = Kind.UNKNOWN_TYPE if registry.find(run.type) is None else Kind.ARGUMENTS
    return Misfit(id=job.id, queue=job.queue, type=type, kind=kind, reason=verdict.reason)


def _unverified_type(body: object) -> str | None:
    """Return the type that bytes claim to have, inside a wrapper too; None if they have none."""
    for _ in range(2):
        if not isinstance(body, bytes):
            break
        try:
            envelope = Codec().decode(body)
        except CodecError:
            break
        if envelope.type != UNDECODABLE:
            return envelope.type
        body = envelope.body
    return None


def survey(
    admin: QueueAdmin,
    codec: Codec,
    registry: Registry,
    clock: Clock,
    *,
    queues: Collection[str] = (),
    most: int | None = None,
    patience: float | None = None,
) -> Survey:
    """Look at the jobs that wait in some queues, or in all, and count what could not be run.

    At most about `most` jobs, for about `patience` seconds; None = to the end. A survey that stops
    early is a sample from all over. Raises `QueueUnavailableError`.
    """
    counted = [admin.stats(name) for name in queues or admin.queues()]
    of = sum(found.ready + found.delayed + found.reserved for found in counted)
    end = None if patience is None else clock.monotonic() + patience
    looked_at, complete = 0, True
    failing: dict[tuple[str | None, Kind], Failing] = {}
    served, unserved = {*registry.queues(), *queues}, Counter[str]()
    for page in _waiting(admin, queues):
        if (most is not None and looked_at >= most) or (
            end is not None and clock.monotonic() >= end
        ):
            complete = False
            break
        now = clock.wall()
        for job in page:
            found = misfit(job, codec, registry, now=now)
            if found is not None:
                _count(failing, found)
            elif job.queue not in served:
                unserved[job.queue] += 1
        looked_at += len(page)
    return Survey(
        looked_at=looked_at,
        of=max(of, looked_at),
        complete=complete,
        failing=tuple(sorted(failing.values(), key=lambda each: -each.count)),
        unserved=unserved,
    )


def _waiting(admin: QueueAdmin, queues: Collection[str]) -> Iterator[list[ListedJob]]:
    for page in admin.sample():
        yield [
            job
            for job in page
            if job.state is not JobState.BURIED and (not queues or job.queue in queues)
        ]


def _count(failing: dict[tuple[str | None, Kind], Failing], found: Misfit) -> None:
    before = failing.get((found.type, found.kind))
    failing[found.type, found.kind] = (
        Failing(count=1, example=found)
        if before is None
        else Failing(count=before.count + 1, example=before.example)
    )
