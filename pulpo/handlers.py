"""Handlers that are no job functions: what one is, and how a name in a settings file becomes one.

A handler is an object with `handle(message)`, or any callable that takes a message. This file
knows no queue, and imports only what the architect's own settings name, never what a message says.
"""

from __future__ import annotations

import builtins
import inspect
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from typing import Protocol, TypeAlias, cast

from pulpo.configuration import Settings
from pulpo.errors import ConfigurationError, LoadError, UsageError, WrongTypeError
from pulpo.loading import explain, import_modules, make_folder_importable
from pulpo.message import Message
from pulpo.options import KNOWN, JobOptions, check_known, make_job_type
from pulpo.periodic.timing import TIMING_OPTIONS
from pulpo.registry import Bind, Bindable, JobType
from pulpo.spelling import closest

__all__ = ["AnyHandler", "Handler", "configured_types", "declared_types", "handler_type"]

_NAMES_OF_CODE = ("handler", "transient", "fatal")


class Handler(Protocol):
    """The code for a job type; may be called by several threads at once.

    Return an outcome, or nothing for success; `async def handle` works too.
    """

    def handle(self, message: Message, /) -> object:
        """Do the work that a message asks for."""
        ...


AnyHandler: TypeAlias = Handler | type[Handler] | Callable[[Message], object]


def handler_type(type: str, handler: AnyHandler, options: JobOptions) -> JobType:
    """Return the job type that a handler runs; a class is instantiated without arguments.

    Raises `WrongTypeError` for what is no handler, naming it.
    """
    if "type" in options:
        raise UsageError(f"the type is given already: {type!r}; leave out type={options['type']!r}")
    call = _call(type, _instance(type, handler))
    return make_job_type(
        options,
        type=type,
        bind=_binder(call),
        is_async=_is_async(call),
        source=_source(handler),
    )


def _binder(call: Callable[[Message], object]) -> Bind:
    def bind(run: Bindable) -> Callable[[], object]:
        return partial(call, run.message())

    return bind


def _instance(type: str, handler: object) -> object:
    if not inspect.isclass(handler):
        return handler
    try:
        inspect.signature(handler).bind()
    except TypeError as error:
        raise WrongTypeError(
            f"the handler of {type!r} can't be made without arguments ({error}); "
            f"register an instance: {handler!r}"
        ) from None
    except ValueError:
        pass  # a class written in C may have no signature; its call will tell
    return handler()


def _call(type: str, handler: object) -> Callable[[Message], object]:
    if isinstance(getattr(handler, "job_type", None), JobType):
        raise WrongTypeError(f"{handler!r} is a job function, it is registered already")
    call = getattr(handler, "handle", handler)
    if not callable(call):
        raise WrongTypeError(
            f"the handler of {type!r} must have a handle(message) method or be callable: "
            f"{handler!r}"
        )
    try:
        inspect.signature(call).bind(None)
    except TypeError:
        raise WrongTypeError(
            f"the handler of {type!r} must take one argument, the message: {handler!r}"
        ) from None
    except ValueError:
        pass  # code written in C may have no signature; its first run will tell
    if inspect.isgeneratorfunction(call) or inspect.isasyncgenfunction(call):
        raise WrongTypeError(f"the handler of {type!r} must return, not yield: {handler!r}")
    return cast("Callable[[Message], object]", call)


def _is_async(call: object) -> bool:
    # For a callable object the colour is that of its class' __call__.
    return inspect.iscoroutinefunction(call) or inspect.iscoroutinefunction(
        getattr(call, "__call__", None)  # noqa: B004  # not a test for callability
    )


def _source(handler: object) -> str:
    while isinstance(handler, partial):
        handler = handler.func
    named = handler if hasattr(handler, "__qualname__") else type(handler)
    return f"{named.__module__}.{named.__qualname__}"


def configured_types(settings: Settings) -> list[JobType]:
    """Import the handlers of a settings file and return their job types.

    Raises `ConfigurationError` or `LoadError` naming file, key and value.
    """
    make_folder_importable()
    if settings.file is not None:
        make_folder_importable(settings.file.parent)
    found = []
    for type, entry in settings.handlers.items():
        with _blaming(settings, type, entry):
            handler, options = _loaded(entry)
            found.append(handler_type(type, handler, options))
    return found


def declared_types(settings: Settings) -> Mapping[str, JobType]:
    """Return the job types of a settings file for a producer: where and how urgently they wait.

    Nothing is imported, the handlers' code need not even be here: these types can't run.
    """
    found: dict[str, JobType] = {}
    for type, entry in settings.handlers.items():
        left_out = (*_NAMES_OF_CODE, *TIMING_OPTIONS)  # when it runs is for the workers
        options = {key: value for key, value in entry.items() if key not in left_out}
        with _blaming(settings, type, entry):
            job_type = make_job_type(
                cast(JobOptions, options), type=type, bind=_nowhere, is_async=False, source=""
            )
        found.update(dict.fromkeys((type, *job_type.aliases), job_type))
    return found


def _nowhere(run: Bindable) -> Callable[[], object]:
    raise UsageError(f"the handler of {run.envelope.type!r} is not loaded in this process")


@contextmanager
def _blaming(settings: Settings, type: str, entry: Mapping[str, object]) -> Iterator[None]:
    where = f"handlers.{type!r} in {settings.file}"
    try:
        yield
    except LoadError as error:
        raise LoadError(
            f"{where}: {error}", shown=f"{error.shown}\n{where}", exit_code=error.exit_code
        ) from None
    except UsageError as error:
        raise ConfigurationError(f"{where}: {error} (it says {dict(entry)!r})") from None
    except (Exception, SystemExit) as error:  # foreign code: a handler's class is instantiated
        raise explain(f"{where} (it says {dict(entry)!r}) does not load", error) from error


def _loaded(entry: Mapping[str, object]) -> tuple[AnyHandler, JobOptions]:
    options = {key: value for key, value in entry.items() if key != "handler"}
    check_known(options, [name for name in KNOWN if name != "type"])
    for key in ("transient", "fatal"):
        if key in options:
            options[key] = _error_classes(options[key])
    return cast(AnyHandler, _named(entry["handler"])), cast(JobOptions, options)


def _error_classes(value: object) -> object:
    named = value if isinstance(value, list) else [value]
    return tuple(
        # A bare name is one of Python's own errors, as it would be in code.
        getattr(builtins, name, name) if isinstance(name, str) and ":" not in name else _named(name)
        for name in named
    )


def _named(place: object) -> object:
    """Return what 'module:name' names."""
    module_name, colon, path = place.partition(":") if isinstance(place, str) else ("", "", "")
    if not (module_name and colon and path):
        raise UsageError(f"write 'module:name': {place!r}")
    import_modules([module_name])
    found: object = sys.modules[module_name]
    for name in path.split("."):
        if not hasattr(found, name):
            close = closest(name, dir(found))
            hint = f"; did you mean {close!r}?" if close else ""
            raise UsageError(f"module {module_name!r} has no {path!r}{hint}")
        found = getattr(found, name)
    return found
