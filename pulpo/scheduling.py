"""What an app does about periodic jobs: declares schedules, and makes who publishes their ticks.

Part of `pulpo.app`, apart from it since most programs never load what is behind it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from pulpo.adapter import Engine, GuardsBeside
from pulpo.clock import Clock
from pulpo.codec import Codec
from pulpo.configuration import Settings
from pulpo.errors import CodecError, ConfigurationError, UnsupportedError, UsageError
from pulpo.job import Job
from pulpo.message import Message
from pulpo.options import check_known
from pulpo.periodic.timing import TIMING_OPTIONS, make_timing
from pulpo.publishing import JobRef
from pulpo.registry import JobType, Registry
from pulpo.run import Run
from pulpo.schedules import Schedule, Tick, Timetable, schedule_message
from pulpo.sending import Sender
from pulpo.side import SideStore, side_of
from pulpo.telling.schedules import Definition
from pulpo.timekeeping import Timekeeper

__all__ = ["Scheduling", "check_engine", "unfit"]

_OF_SETTINGS = ("type", "args", *TIMING_OPTIONS)


class Scheduling:
    """The schedules of one app."""

    def __init__(self, registry: Registry, sender: Sender) -> None:
        self._registry = registry
        self._sender = sender
        self.timetable = Timetable()

    def declare(
        self, job: object, args: object, name: str | None, timing: Mapping[str, Any]
    ) -> Schedule:
        """Check a schedule and add it; an error names what is wrong."""
        check_known(timing, TIMING_OPTIONS)
        return self._add(schedule_message(job, args), name, timing)

    def note(self, job_type: JobType, job: object) -> None:
        """Add the schedule that a job type has by its own options; `job` is called without args."""
        if job_type.timing is None:
            return
        try:
            message = schedule_message(job, None)
        except TypeError as error:
            raise UsageError(
                f"{job_type.type!r} is called without arguments by its every= or cron=, and "
                f"{error}; pulpo.schedule(job, args=...) gives some"
            ) from None
        self.timetable.add(Schedule(job_type.type, job_type.timing, message))

    def read(self, settings: Settings) -> None:
        """Add the schedules of a settings file; an error names the file and the schedule."""
        for name, entry in settings.schedules.items():
            try:
                check_known(entry, _OF_SETTINGS)
                timing = {key: entry[key] for key in TIMING_OPTIONS if key in entry}
                self._add(schedule_message(entry["type"], entry.get("args")), name, timing)
            except UsageError as error:
                where = f"schedules.{name!r} in {settings.file}"
                raise ConfigurationError(f"{where}: {error} (it says {dict(entry)!r})") from None

    def _add(self, message: Message, name: str | None, options: Mapping[str, Any]) -> Schedule:
        timing = make_timing(options)
        if timing is None:
            raise UsageError("a schedule has every='10m' or cron='0 9 * * *'; neither is given")
        return self.timetable.add(Schedule(message.type if name is None else name, timing, message))

    def timekeeper(
        self, engine: Engine, clock: Clock, since: tuple[float, float] | None
    ) -> Timekeeper:
        """Return who publishes the ticks; raises `UnsupportedError` for a queue without guards."""
        check_engine(engine)
        return Timekeeper(self.defined(), self._publish, _opener(engine), clock, since=since)

    def defined(self) -> list[tuple[Schedule, Definition]]:
        """Return all schedules as every seat may know them; `UsageError` for one that can't be."""
        found = []
        for schedule in self.timetable:
            try:
                told = schedule.define(self._sender.codec, self._registry.find)
            except (UsageError, CodecError) as error:
                raise UsageError(f"schedule {schedule.name!r}: {error}") from error
            found.append((schedule, told))
        return found

    def _publish(self, tick: Tick) -> JobRef:
        said = {"schedule": tick.schedule, "tick": tick.at}
        return self._sender.publish_guarded(tick.message, tick.guards, said)


def unfit(
    schedules: Sequence[Schedule], codec: Codec, registry: Registry
) -> Iterator[tuple[str, UsageError]]:
    """Yield the schedules whose jobs this code could not run, each with why."""
    for schedule in schedules:
        try:
            job_type = registry[schedule.message.type]
            sample = schedule.define(codec, registry.find).sample
            job_type.bind(Run(Job(number=0, body=sample), codec.decode(sample), job_type))
        except (UsageError, CodecError) as error:
            told = UsageError(f"schedule {schedule.name!r}: {error}")
            yield schedule.name, told


def _opener(engine: Engine) -> Callable[[], SideStore]:
    def opened() -> SideStore:
        store = side_of(engine)
        if store is None:
            raise _no_guards()
        return store

    return opened


def check_engine(engine: Engine) -> None:
    """Raise `UnsupportedError` where workers could not agree who publishes a tick."""
    if isinstance(engine, GuardsBeside) and engine.guards_beside is False:
        raise _no_guards()
    _opener(engine)().close()  # nothing is opened before it is used


def _no_guards() -> UnsupportedError:
    return UnsupportedError(
        "periodic jobs need a place where all workers agree who publishes a tick, and this queue "
        "has none: add ?side=URL to its URL, as in ?side=sqlite:////var/lib/pulpo/side.db"
    )
