"""The part of an app for what is published again and again; light until there is some of it.

What a schedule is, and who publishes it, is in `pulpo.scheduling` and behind it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, Unpack

from pulpo.handlers import configured_types
from pulpo.periodic.timing import TimingOptions

if TYPE_CHECKING:
    from pulpo.choosing import Choice
    from pulpo.configuration import Settings
    from pulpo.function import JobFunction
    from pulpo.message import Message
    from pulpo.registry import JobType, Registry
    from pulpo.schedules import Schedule
    from pulpo.scheduling import Scheduling
    from pulpo.sending import Sender
    from pulpo.timekeeping import Timekeeper
    from pulpo.worker.ticker import MakeTicker

__all__ = ["Recurring"]


class Recurring:
    """The schedules of an app; declared at import, and published by its workers."""

    def __init__(self, registry: Registry, sender: Sender, choice: Choice) -> None:
        self._parts = (registry, sender)
        self._choice = choice
        self._made: dict[str, Scheduling] = {}

    def schedule(
        self,
        job: JobFunction[..., Any] | Message | str,
        /,
        *,
        args: Sequence[object] | Mapping[str, object] | object = None,
        name: str | None = None,
        **timing: Unpack[TimingOptions],
    ) -> Schedule:
        """Publish a job again and again, `every` so long or by `cron`; a worker does it.

        `job` is a job function, or a copy of it made by `.using(...)`, called with `args`: a tuple
        of arguments or a dict of named ones. Or it is the name of a job type, with `args` for its
        body, or a message. A job has as many schedules as it needs, each by its own `name`, by
        default that of its type. Raises `UsageError` naming what is wrong, `TypeError` for
        arguments that do not fit.
        """
        return self._scheduling().declare(job, args, name, timing)

    def timekeeper(self, *, since: tuple[float, float] | None = None) -> Timekeeper:
        """Return who publishes what is due, on each call of its `tick`: for tests and programs.

        A worker has one of its own. `since` is when it was started, and when its process was.
        Raises `UnsupportedError` for a queue where workers cannot agree who publishes what.
        """
        engine = self._choice.connections().engine
        return self._scheduling().timekeeper(engine, self._choice.clock, since)

    def add(self, job_type: JobType, job: object) -> None:
        """Register a job type, and the schedule that it has by its options."""
        self._parts[0].add(job_type)
        if job_type.timing is not None:
            self._scheduling().note(job_type, job)

    def load(self, settings: Settings) -> None:
        """Import and register the handlers of a settings file, and add its schedules."""
        for job_type in configured_types(settings):
            self.add(job_type, job_type.type)
        if settings.schedules:
            self._scheduling().read(settings)

    def schedules(self) -> Sequence[Schedule]:
        """Return the schedules that are known here."""
        made = self._made.get("made")
        return tuple(made.timetable) if made else ()

    def forget(self, type: str) -> None:
        """Forget the schedules of a job type; a worker that has begun goes on with them."""
        if made := self._made.get("made"):
            made.timetable.forget(type)

    def ticker(self) -> MakeTicker | None:
        """Return how a worker makes its timekeeper; None where there is nothing to publish.

        Raises `UnsupportedError` for a queue where workers cannot agree who publishes what.
        """
        if not self.schedules():
            return None
        from pulpo.scheduling import check_engine  # noqa: PLC0415  # few have schedules

        check_engine(self._choice.connections().engine)
        self._scheduling().defined()  # what is wrong with one is said before anything begins
        return partial(_make, self)

    def _scheduling(self) -> Scheduling:
        from pulpo.scheduling import Scheduling  # noqa: PLC0415  # few have schedules

        # By setdefault, not under a lock: see `pulpo.connections`.
        return self._made.get("made") or self._made.setdefault("made", Scheduling(*self._parts))


def _make(recurring: Recurring, since: tuple[float, float]) -> Timekeeper:
    return recurring.timekeeper(since=since)
