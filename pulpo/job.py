"""A job at the port between queue and worker: what is put, what is reserved, how it is settled.

Values only. A body is opaque bytes here: no engine decodes one to run it, and none changes one.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from enum import Enum
from sys import intern
from typing import TypeAlias

from pulpo.duration import seconds
from pulpo.errors import UsageError, WrongTypeError
from pulpo.guard import Existing, Guard, Instead, Until, check_guards, kept_guard
from pulpo.identity import (
    MAX_PRIORITY,
    check_id,
    check_priority,
    check_queue,
    is_id,
    is_queue,
)

__all__ = [
    "Act",
    "Capabilities",
    "Change",
    "Existing",
    "Guard",
    "Instead",
    "Job",
    "JobId",
    "JobState",
    "ListedJob",
    "NewJob",
    "Page",
    "QueueStats",
    "Settlement",
    "Sighting",
    "Until",
    "Verb",
    "check_changes",
    "check_exchange",
    "check_guards",
    "check_new_job",
    "check_new_jobs",
    "kept_guard",
    "reserved",
    "sum_of",
]

JobId: TypeAlias = str


class JobState(Enum):
    """Where a job stands, in beanstalkd's words."""

    READY = "ready"
    DELAYED = "delayed"
    RESERVED = "reserved"
    BURIED = "buried"


class Verb(Enum):
    """What becomes of a reserved job.

    DELETE removes it. RELEASE puts it back at once, at its own place, with nothing spent. REPLACE
    puts its rewritten copy in its stead, with the copy's delay and priority. BURY puts the
    rewritten copy aside.
    """

    DELETE = "delete"
    RELEASE = "release"
    REPLACE = "replace"
    BURY = "bury"


@dataclass(frozen=True, slots=True, kw_only=True)
class NewJob:
    """A job to be accepted.

    `delay` is seconds from acceptance, `at` a second since the epoch before which it does not run
    (the later of the two counts). `ttr` is the lease in seconds. `expires` is a second since the
    epoch; engines store it where they can, the worker decides by the header in the body. `guards`
    are the keys that it must hold; of a rewritten job, those that it goes on holding.
    """

    id: JobId
    type: str
    queue: str
    body: bytes
    priority: int = 65_536
    delay: float = 0.0
    at: float | None = None
    ttr: float = 60.0
    expires: float | None = None
    guards: Sequence[Guard] = ()

    def twin(self, *, id: JobId, body: bytes) -> NewJob:
        """Return a job like this one with another id and body; nothing is checked, as ever."""
        twin = object.__new__(NewJob)
        _set_id(twin, id)
        _set_type(twin, self.type)
        _set_queue(twin, self.queue)
        _set_body(twin, body)
        _set_priority(twin, self.priority)
        _set_delay(twin, self.delay)
        _set_at(twin, self.at)
        _set_ttr(twin, self.ttr)
        _set_expires(twin, self.expires)
        _set_guards(twin, self.guards)
        return twin


# The slots of a frozen class, by the way round its __setattr__: two thirds of a call of it.
_slot = {name: NewJob.__dict__[name].__set__ for name in NewJob.__slots__}
_set_id, _set_type, _set_queue = _slot.pop("id"), _slot.pop("type"), _slot.pop("queue")
_set_body, _set_priority, _set_delay = _slot.pop("body"), _slot.pop("priority"), _slot.pop("delay")
_set_at, _set_ttr, _set_expires = _slot.pop("at"), _slot.pop("ttr"), _slot.pop("expires")
_set_guards = _slot.pop("guards")
assert not _slot, f"a twin has no {list(_slot)}"


def check_new_job(job: NewJob) -> None:
    """Raise `UsageError` for a name or number that no engine can take; called before any I/O."""
    check_id(job.id)
    check_queue(job.queue)
    check_priority(job.priority)
    seconds(job.delay, "delay")
    if not seconds(job.ttr, "ttr"):
        raise UsageError(f"ttr must be more than 0: {job.ttr!r}")
    if job.at is not None:
        seconds(job.at, "at")
    if not isinstance(job.body, bytes):
        raise WrongTypeError(f"body must be bytes: {type(job.body).__name__}")
    if job.guards:
        check_guards(job.guards)


def check_new_jobs(jobs: Iterable[NewJob]) -> None:
    """Do what `check_new_job` does for each of a batch, before anything is put."""
    for job in jobs:
        # What passes this passes `check_new_job`, which takes three times as long.
        if not (
            type(job.body) is bytes
            and type(job.queue) is str
            and is_queue(job.queue)
            and type(job.id) is str
            and is_id(job.id)
            and type(job.priority) is int
            and 0 <= job.priority <= MAX_PRIORITY
            and type(job.delay) is float
            and job.delay == 0
            and type(job.ttr) is float
            and 1 <= job.ttr <= 86_400
            and job.at is None
            and not job.guards
        ):
            check_new_job(job)


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """A reserved job, held by the adapter that reserved it.

    `number` is the engine's own and may be reused after the job is gone. `queue`, `priority` and
    `ttr` are None where the engine does not say (beanstalkd's RESERVED gives only number and
    body): then the headers in the body do. `crashes` counts the runs that ended without a word, or
    is None where asking costs a round trip. `id` is the pulpo id, None where only the body says it.
    `token` belongs to the engine.
    """

    number: int
    body: bytes
    id: JobId | None = None
    queue: str | None = None
    priority: int | None = None
    ttr: float | None = None
    crashes: int | None = None
    token: object = field(default=None, repr=False, compare=False)


def reserved(
    number: int,
    body: bytes,
    id: JobId | None,
    queue: str | None,
    priority: int | None,
    ttr: float | None,
    crashes: int | None,
    token: object,
) -> Job:
    """Return a `Job`, in half of the time that a call of the class takes: engines make many."""
    job = object.__new__(Job)
    _SET_NUMBER(job, number)
    _SET_BODY(job, body)
    _SET_ID(job, id)
    _SET_QUEUE(job, queue)
    _SET_PRIORITY(job, priority)
    _SET_TTR(job, ttr)
    _SET_CRASHES(job, crashes)
    _SET_TOKEN(job, token)
    return job


(
    _SET_NUMBER,
    _SET_BODY,
    _SET_ID,
    _SET_QUEUE,
    _SET_PRIORITY,
    _SET_TTR,
    _SET_CRASHES,
    _SET_TOKEN,
) = (Job.__dict__[name].__set__ for name in Job.__slots__)


@dataclass(frozen=True, slots=True)
class Settlement:
    """What to do with a reserved job.

    `rewritten` is the job with its story brought up to date: REPLACE and BURY need it. `then` are
    new jobs that must be accepted before the old one is settled.
    """

    verb: Verb
    job: Job
    rewritten: NewJob | None = None
    then: Sequence[NewJob] = ()


def check_exchange(
    settlements: Sequence[Settlement], queues: Sequence[str], *, limit: int, timeout: float
) -> None:
    """Raise `UsageError` for an exchange that no engine can carry out; called before any I/O."""
    if limit < 0 or not timeout >= 0:  # NaN fails this comparison too
        raise UsageError(f"limit and timeout must be 0 or more: {limit!r}, {timeout!r}")
    if limit and not queues:
        raise UsageError("queues must name at least one queue to reserve from")
    for queue in queues:
        check_queue(queue)
    for settlement in settlements:
        if settlement.verb is Verb.REPLACE or settlement.verb is Verb.BURY:
            if settlement.rewritten is None:
                raise UsageError(f"{settlement.verb.value} needs the rewritten job: {settlement!r}")
            check_new_job(settlement.rewritten)
        for job in settlement.then:
            check_new_job(job)


@dataclass(frozen=True, slots=True, kw_only=True)
class Capabilities:
    """What an engine can do.

    `max_body` is the largest body in bytes. `delay_unit` is the grain of delays in seconds: they
    are rounded up to it, never down. `shared` tells whether other processes see the same queue,
    `keeps_pause` whether a pause outlives a restart of the engine, `counts_crashes` whether every
    reserved job comes with its `crashes`, `guards` whether it keeps the guards of jobs. `engine` is
    empty, and the rest a guess, where a queue
    behind a spool was never reached yet.
    """

    engine: str
    max_body: int
    delay_unit: float = 0.0
    shared: bool = True
    keeps_pause: bool = True
    counts_crashes: bool = True
    guards: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueStats:
    """How many jobs of one queue are in which state, and whether the queue is paused.

    `pause_left` is in seconds, None for a pause without an end.
    """

    queue: str
    ready: int = 0
    delayed: int = 0
    reserved: int = 0
    buried: int = 0
    paused: bool = False
    pause_left: float | None = None


def sum_of(queue: str, found: Sequence[QueueStats]) -> QueueStats:
    """Return the sum of several counts, under one name."""
    pauses = [each.pause_left for each in found if each.paused]
    left = [each for each in pauses if each is not None]
    return QueueStats(
        queue=queue,
        ready=sum(each.ready for each in found),
        delayed=sum(each.delayed for each in found),
        reserved=sum(each.reserved for each in found),
        buried=sum(each.buried for each in found),
        paused=bool(pauses),
        pause_left=max(left) if left and len(left) == len(pauses) else None,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedJob:
    """A job as an operator sees it, in any state and held by anybody.

    `due` is the seconds until a delayed job is ready. `id` is the pulpo id where the engine knows
    it or the body says it, else the number as text. `age` is the seconds since the engine
    took this copy of it, None where it does not know.
    """

    id: JobId
    number: int
    queue: str
    state: JobState
    body: bytes
    priority: int
    due: float = 0.0
    ttr: float = 60.0
    crashes: int | None = None
    age: float | None = None

    @property
    def sighting(self) -> Sighting:
        """Where the job was seen."""
        return Sighting(
            self.id, self.number, intern(self.queue)
        )  # of a million there are few names


@dataclass(frozen=True, slots=True)
class Sighting:
    """Where a walk has seen a job: all that is kept of it until something is done with it.

    `number` is the engine's own; with the id beside it no other job is taken for this one.
    """

    id: JobId
    number: int
    queue: str


@dataclass(frozen=True, slots=True)
class Page:
    """Some jobs out of a walk over many.

    `seen` is how many jobs the walk has looked at so far, `unseen` how many more the engine
    counts: above 0 on the last page where jobs came or went meanwhile, or could not be looked at.
    """

    jobs: Sequence[ListedJob]
    seen: int
    unseen: int = 0


class Act(Enum):
    """What an operator does with jobs that were seen.

    KICK makes one that is buried or delayed ready. DELETE removes it. REPLACE puts the rewritten
    job in its place, maybe in another queue, with its own `delay` and `at`; a buried one stays
    buried. BURY puts the rewritten job aside.
    """

    KICK = "kick"
    DELETE = "delete"
    REPLACE = "replace"
    BURY = "bury"


@dataclass(frozen=True, slots=True)
class Change:
    """One act on one job; REPLACE and BURY need the job `rewritten`."""

    act: Act
    job: Sighting
    rewritten: NewJob | None = None


def check_changes(changes: Sequence[Change]) -> None:
    """Raise `UsageError` for a change that no engine can carry out; called before any I/O."""
    for change in changes:
        if change.act in (Act.REPLACE, Act.BURY):
            if change.rewritten is None:
                raise UsageError(f"{change.act.value} needs the rewritten job: {change!r}")
            check_new_job(change.rewritten)
