"""An app that notes what is wrong with a declaration, and goes on: one look finds every fault.

What a worker refuses at the first wrong option, this one imports to the end. For a look only: what
it has let pass is not fit to run. Knows no queue and no command line.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, ParamSpec, TypeVar, Unpack, cast

from pulpo.app import Pulpo
from pulpo.configuration import Settings, find_settings
from pulpo.errors import LoadError, UsageError
from pulpo.function import JobFunction
from pulpo.handlers import AnyHandler
from pulpo.loading import import_modules, make_folder_importable
from pulpo.options import JobOptions, make_job_type
from pulpo.periodic.timing import TIMING_OPTIONS, make_timing
from pulpo.registry import Bindable
from pulpo.scheduling import check_engine, unfit

__all__ = ["Fault", "InspectedApp"]

P = ParamSpec("P")
R = TypeVar("R")

# In a settings file these name code, which is looked at when it is loaded.
_NAMES_OF_CODE = ("handler", "transient", "fatal")


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """What is wrong with a declaration.

    `type` is None where a whole module is at fault, `option` where it is not one option alone.
    `shown` is what helps its author: a traceback where code has failed, else empty.
    """

    module: str
    type: str | None
    option: str | None
    error: str
    shown: str = ""


class InspectedApp(Pulpo):
    """An app whose job types are looked at, not run; `faults` grows while modules are imported."""

    def __init__(self) -> None:
        super().__init__(decide_later=True)
        self.faults: list[Fault] = []
        self.schedule = self._schedule  # type: ignore[assignment]  # the same call

    def inspect(self, modules: Sequence[str]) -> None:
        """Import modules and the handlers of the settings file, and note every fault.

        Raises `LoadError` for a module that is not there: then nothing was asked for.
        """
        make_folder_importable()
        for name in modules:
            try:
                import_modules([name])
            except LoadError as error:
                if error.exit_code == 2:
                    raise
                self._note(name, None, None, error, shown=error.shown)
        self.load_handlers()
        self._look_at_schedules()

    def _look_at_schedules(self) -> None:
        schedules = self.recurring.schedules()
        for name, why in unfit(schedules, self.codec, self.registry):
            self._note("schedules", name, None, why)
        try:
            if schedules:
                check_engine(self.engine)
        except UsageError as error:
            self._note("schedules", None, None, error)

    def job(self, function: Any = None, /, **options: Unpack[JobOptions]) -> Any:
        """Make a function a job type, or note why it can't be one."""
        if isinstance(function, str):
            return partial(self._misused, function, options)
        return partial(self._job, options) if function is None else self._job(options, function)

    def _misused(self, text: str, options: JobOptions, function: Callable[P, R]) -> object:
        try:
            super().job(text)  # type: ignore[call-overload]  # that is what is wrong
        except UsageError as error:
            self._note(_module_of(function), text, "type", error)
        return self._job({"type": text, **options}, function)

    def _job(self, options: JobOptions, function: Callable[P, R]) -> JobFunction[P, R]:
        module = _module_of(function)
        type = str(options.get("type", f"{module}.{getattr(function, '__qualname__', function)}"))
        try:
            return super()._job(self._good(options, module, type), function)
        except UsageError as error:
            self._note(module, type, None, error)
            return cast("JobFunction[P, R]", function)

    def register(self, type: str, handler: AnyHandler, /, **options: Unpack[JobOptions]) -> None:
        """Let a handler run a job type, or note why it can't."""
        module = _module_of(handler)
        try:
            super().register(type, handler, **self._good(options, module, type))
        except UsageError as error:
            self._note(module, str(type), None, error)

    def load_handlers(self) -> None:
        """Import and register the handlers of the settings file, or note why they can't be."""
        try:
            settings = find_settings()
        except UsageError as error:
            self._note("schedules", None, None, error)
            return
        for type, entry in settings.handlers.items():
            self._load_handler(settings, type, entry)
        for name, entry in settings.schedules.items():
            try:
                self.recurring.load(replace(settings, handlers={}, schedules={name: entry}))
            except UsageError as error:
                self._note("", name, None, error)

    def _schedule(self, job: Any, /, **said: Any) -> object:
        try:
            return self.recurring.schedule(job, **said)
        except UsageError as error:
            name = said.get("name") or getattr(getattr(job, "job_type", job), "type", job)
            self._note(_module_of(job), str(name), None, error)
            return None

    def _load_handler(self, settings: Settings, type: str, entry: Mapping[str, object]) -> None:
        module = str(entry["handler"]).partition(":")[0]
        said = {name: value for name, value in entry.items() if name not in _NAMES_OF_CODE}
        good = self._good(cast(JobOptions, said), module, type)
        code = {name: entry[name] for name in _NAMES_OF_CODE if name in entry}
        try:
            self.recurring.load(replace(settings, handlers={type: {**code, **good}}, schedules={}))
        except LoadError as error:
            shown = error.shown if error.shown != str(error) else ""
            self._note(module, type, None, error, shown=shown)
        except UsageError as error:
            self._note(module, type, None, error)

    def _good(self, options: JobOptions, module: str, type: str) -> JobOptions:
        """Return the options that are right, each by itself; note the others."""
        when = {name: value for name, value in options.items() if name in TIMING_OPTIONS}
        good: dict[str, object] = {}
        try:
            make_timing(when)
            good |= when
        except UsageError as error:
            named = str(error).partition(" ")[0]
            self._note(module, str(type), named if named in when else None, error)
        for name, value in options.items():
            if name in when:
                continue  # they count together
            alone = cast(JobOptions, {name: value})
            try:
                make_job_type(alone, type="alone", bind=_nowhere, is_async=False, source="")
            except UsageError as error:
                self._note(module, str(type), name, error)
            else:
                good[name] = value
        return cast(JobOptions, good)

    def _note(
        self, module: str, type: str | None, option: str | None, error: Exception, shown: str = ""
    ) -> None:
        fault = Fault(module=module, type=type, option=option, error=str(error), shown=shown)
        self.faults.append(fault)


def _nowhere(run: Bindable) -> Callable[[], object]:
    raise UsageError(f"{run.envelope.type!r} is looked at, not run")


def _module_of(code: object) -> str:
    named = getattr(code, "__module__", None)
    return str(named if named is not None else type(code).__module__)
