"""What is to be published again and again: declared in code or in the settings, collected here.

A schedule is a message and a timing under a name. Nothing is published here, and nothing is asked
for the time; see `pulpo.timekeeping`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from pulpo.codec import Codec
from pulpo.duration import seconds
from pulpo.errors import UsageError, WrongTypeError
from pulpo.guarding import guarding_of, id_key
from pulpo.identity import derived_id
from pulpo.job import Guard, kept_guard
from pulpo.message import Message
from pulpo.periodic import MOST, Every, Overlap, Timing
from pulpo.publishing import new_job
from pulpo.registry import JobType
from pulpo.telling.schedules import Definition

__all__ = ["Schedule", "Tick", "Timetable", "check_name", "overlap_guard", "schedule_message"]

_LONGEST_NAME = 200
_DAY = 86_400.0


@dataclass(frozen=True, slots=True)
class Tick:
    """One job of a schedule, ready to be published: `at` is the moment that it is for."""

    schedule: str
    at: float
    message: Message
    guards: Sequence[Guard]


@dataclass(frozen=True, slots=True)
class Schedule:
    """A message that is published again and again, under a name of its own."""

    name: str
    timing: Timing
    message: Message

    def tick(self, at: float) -> Tick:
        """Return the job for a tick; the same one in each process, as far as its id goes."""
        message = self.message.with_body(self.message.body, id=derived_id(self.name, at))
        guards = [Guard(id_key(message.id), self._hold())]
        if self.timing.overlap is not Overlap.ALLOW:
            guards.append(overlap_guard(self.name))
        return Tick(self.name, at, message, guards)

    def _hold(self) -> float:
        """Return for how long a tick's id must be known: as long as anybody may publish it.

        A process may die between the put and its word that all is published up to there, and the
        next one may come long after.
        """
        rule, bound = self.timing.rule, self.timing.within
        if isinstance(rule, Every):
            bound = min(bound, float(MOST * rule.seconds))
        return _DAY + bound

    def define(self, codec: Codec, find: Callable[[str], JobType | None]) -> Definition:
        """Return what every seat may know of it. Raises what publishing it would raise."""
        job_type, message = find(self.message.type), self.message
        own = guarding_of(message, job_type)
        if own and kept_guard(own.guards) and self.timing.overlap is not Overlap.ALLOW:
            raise UsageError(
                f"its jobs are unique, which keeps them apart already, so overlap must be 'allow': "
                f"{self.timing.overlap.value!r}"
            )
        expires = message.expires
        if expires is None and job_type is not None:
            expires = job_type.expires
        # One id, or the sample would be another one in each process.
        plain = replace(message, expires=None, id=derived_id(self.name, 0.0))
        known = None if job_type is None else replace(job_type, expires=None)
        job = new_job(plain, codec, lambda _: known, 0.0)
        lasts = None if expires is None else seconds(expires, "expires")  # type: ignore[arg-type]
        return Definition(
            timing=self.timing, type=job.type, queue=job.queue, sample=job.body, expires=lasts
        )

    def is_like(self, other: Schedule) -> bool:
        """Tell whether another one says the same."""
        same = replace(other.message, id=self.message.id)
        return (self.name, self.timing, self.message) == (other.name, other.timing, same)


def overlap_guard(name: str) -> Guard:
    """Return the key that the one job holds of a schedule without overlap."""
    return Guard(f"schedule:{name}")


def check_name(name: object) -> str:
    """Return the name of a schedule, or say what is wrong with it."""
    if not isinstance(name, str):
        raise WrongTypeError(f"the name of a schedule must be text: {name!r}")
    if not (1 <= len(name) <= _LONGEST_NAME and name.isprintable() and " " not in name):
        raise UsageError(
            f"the name of a schedule is 1 to {_LONGEST_NAME} printable characters without spaces: "
            f"{name!r}"
        )
    return name


class Timetable:
    """The schedules of one app, by name; filled at import, as job types are."""

    def __init__(self) -> None:
        self._schedules: dict[str, Schedule] = {}

    def add(self, schedule: Schedule) -> Schedule:
        """Add a schedule; the same one again is no other (a module imported twice)."""
        check_name(schedule.name)
        other = self._schedules.get(schedule.name)
        if other is not None and not schedule.is_like(other):
            raise UsageError(
                f"there is a schedule {schedule.name!r} already ({other.timing.rule}); "
                "give this one another name="
            )
        self._schedules[schedule.name] = schedule
        return schedule

    def forget(self, type: str) -> None:
        """Forget the schedules of a job type."""
        for name in [name for name, one in self._schedules.items() if one.message.type == type]:
            del self._schedules[name]

    def __iter__(self) -> Iterator[Schedule]:
        return iter(self._schedules.values())

    def __len__(self) -> int:
        return len(self._schedules)

    def find(self, name: str) -> Schedule | None:
        """Return the schedule of a name."""
        return self._schedules.get(name)


def schedule_message(job: object, args: object) -> Message:
    """Return what a schedule publishes: of a job function, a message, or the name of a type.

    Raises `TypeError` for arguments that do not fit the function's signature.
    """
    if isinstance(job, Message):
        if args is not None:
            raise UsageError(f"a message has its body already, so leave out args: {args!r}")
        message = job
    elif isinstance(job, str):
        message = Message(type=job, body=args)
    else:
        message = _called(job, args)
    if message.delay is not None or message.at is not None:
        raise UsageError(f"a schedule says when, so its job has no delay and no at: {job!r}")
    if isinstance(message.expires, datetime):
        raise UsageError(
            f"each job of a schedule expires so long after its tick, like '1h': {message.expires!r}"
        )
    return message


def _called(job: object, args: object) -> Message:
    make = getattr(job, "message", None)
    if not callable(make) or not isinstance(getattr(job, "job_type", None), JobType):
        raise WrongTypeError(
            f"a schedule is of a job function, a message or the name of a job type: {job!r}"
        )
    match args:
        case None:
            made = make()
        case Mapping():
            made = make(**args)
        case list() | tuple():
            made = make(*args)
        case _:
            raise WrongTypeError(
                f"args must be a tuple of arguments or a dict of named ones: {args!r}"
            )
    return made  # type: ignore[no-any-return]  # a job function's
