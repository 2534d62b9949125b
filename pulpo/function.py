"""A job function: the plain function that it was, and the producer's verbs beside it.

A proxy (wrapt), so that signature, docstring, name and module stay those of the function, and
`inspect` sees through it. This file opens no queue: it makes messages and hands them on.
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from functools import partial
from pathlib import Path
from types import FunctionType
from typing import TYPE_CHECKING, Any, Generic, Literal, ParamSpec, TypedDict, TypeVar, Unpack

import wrapt

from pulpo.arguments import Arguments
from pulpo.duration import Duration, seconds
from pulpo.errors import WrongTypeError
from pulpo.message import Message, check_moment
from pulpo.options import JobOptions, check_known, make_job_type
from pulpo.publishing import JobRef, Publisher
from pulpo.registry import Bindable, JobType
from pulpo.unique import Unique, check_unique

__all__ = ["CallOptions", "JobFunction", "make_job_function"]

P = ParamSpec("P")
R = TypeVar("R")

if TYPE_CHECKING:

    class Proxy:  # wrapt says nothing of types, and Any as a base would hide every wrong name
        """What is used of wrapt's proxy."""

        __wrapped__: Callable[..., Any]

        def __init__(self, wrapped: object) -> None: ...

else:
    Proxy = wrapt.BaseObjectProxy


class CallOptions(TypedDict, total=False):
    """What can be said about one call; what is left out is as the job type says."""

    queue: str
    priority: int
    delay: Duration
    at: datetime
    expires: Duration | datetime | None
    ttr: Duration
    retries: int
    timeout: Duration
    backoff: Duration | Sequence[Duration]
    headers: Mapping[str, object]
    unique: Unique | bool
    id: str
    within: object


CALL_OPTIONS = tuple(CallOptions.__annotations__)
# What a message does not say: whose transaction it is part of.
_OF_MESSAGES = tuple(name for name in CALL_OPTIONS if name != "within")


class JobFunction(Proxy, Generic[P, R]):
    """A function that is a job type; calling it runs it here and now, as ever.

    Made by `@pulpo.job`. Any thread may publish through it. A wrong argument is a `TypeError` at
    the call, and nothing is put.
    """

    def __init__(
        self,
        function: Callable[P, R],
        publisher: Publisher,
        job_type: JobType,
        arguments: Arguments,
        template: Message,
    ) -> None:
        super().__init__(function)
        # wrapt keeps names that start so on the proxy, all others go to the function. They are not
        # annotated in the class: its __annotations__ would hide those of the function.
        self._self_function = function
        self._self_publisher = publisher
        self._self_type = job_type
        self._self_arguments = arguments
        self._self_template = template.as_template()

    def __call__(self, /, *args: P.args, **kwargs: P.kwargs) -> R:
        """Run the function here and now."""
        return self._self_function(*args, **kwargs)

    def __repr__(self) -> str:
        return f"<job {self._self_type.type!r}: {self._self_type.source}>"

    def __reduce_ex__(self, protocol: Any) -> str:  # Any: typeshed's own base says SupportsIndex
        return self.__wrapped__.__qualname__  # pickled by name, as functions are

    def __copy__(self) -> JobFunction[P, R]:
        return self

    def __deepcopy__(self, memo: object) -> JobFunction[P, R]:
        return self

    @property
    def job_type(self) -> JobType:
        """The job type: its name and its rules."""
        return self._self_type

    @property
    def publisher(self) -> Publisher:
        """The app that it was declared on."""
        return self._self_publisher

    def message(self, /, *args: P.args, **kwargs: P.kwargs) -> Message:
        """Return the message that `delay` would publish; each has an id of its own."""
        template, body = self._self_template, self._self_arguments.body(args, kwargs)
        if template.own_id:
            return template.with_body(body, id=template.id, own_id=True)
        return template.with_body(body)

    def delay(self, /, *args: P.args, **kwargs: P.kwargs) -> JobRef:
        """Publish a call; returns when the job is accepted."""
        template = self._self_template
        if template.own_id:
            return self._self_publisher.publish(self.message(*args, **kwargs))
        return self._self_publisher.publish_like(template, self._self_arguments.body(args, kwargs))

    def schedule_at(self, when: datetime, /, *args: P.args, **kwargs: P.kwargs) -> JobRef:
        """Publish a call that runs at an aware datetime or later."""
        return self._at(when).delay(*args, **kwargs)

    def schedule_in(self, delay: Duration, /, *args: P.args, **kwargs: P.kwargs) -> JobRef:
        """Publish a call that runs after `delay` or later."""
        return self._in(delay).delay(*args, **kwargs)

    def delay_many(self, calls: Iterable[tuple[Any, ...] | Mapping[str, Any]]) -> list[JobRef]:
        """Publish many calls in one round trip, each a tuple of arguments or a dict of named ones.

        Returns their references in order. A wrong call is refused before anything is put. If some
        are not accepted, the first one's error is raised and its `results` say what became of each.
        """
        return self._self_publisher.publish_alike(self._self_template, self._bodies(calls))

    async def adelay(self, /, *args: P.args, **kwargs: P.kwargs) -> JobRef:
        """Like `delay`; the event loop goes on meanwhile."""
        return await self._self_publisher.apublish(self.message(*args, **kwargs))

    async def aschedule_at(self, when: datetime, /, *args: P.args, **kwargs: P.kwargs) -> JobRef:
        """Like `schedule_at`; the event loop goes on meanwhile."""
        return await self._at(when).adelay(*args, **kwargs)

    async def aschedule_in(self, delay: Duration, /, *args: P.args, **kwargs: P.kwargs) -> JobRef:
        """Like `schedule_in`; the event loop goes on meanwhile."""
        return await self._in(delay).adelay(*args, **kwargs)

    async def adelay_many(
        self, calls: Iterable[tuple[Any, ...] | Mapping[str, Any]]
    ) -> list[JobRef]:
        """Like `delay_many`; the event loop goes on meanwhile."""
        return await self._self_publisher.apublish_alike(self._self_template, self._bodies(calls))

    def using(self, **options: Unpack[CallOptions]) -> JobFunction[P, R]:
        """Return a copy that publishes with these options; the function itself stays as it is.

        Copies can be made of copies: the later option counts, headers are added to the earlier
        ones, `at` and `delay` take each other's place, None is what the job type says. `within` is
        a connection whose transaction the jobs are part of.
        """
        check_known(options, CALL_OPTIONS)
        within = options.pop("within", None)
        if options.get("unique"):
            options["unique"] = _bound(options["unique"], self._self_arguments)
        publisher = self._self_publisher
        return JobFunction(
            self._self_function,
            publisher if within is None else _within(publisher, within),
            self._self_type,
            self._self_arguments,
            _merged(self._self_template, options, self._self_type),
        )

    def _at(self, when: datetime) -> JobFunction[P, R]:
        check_moment(when, "when")  # None would mean "as it was" to using()
        return self.using(at=when)

    def _in(self, delay: Duration) -> JobFunction[P, R]:
        seconds(delay, "delay")
        return self.using(delay=delay)

    def _bodies(self, calls: object) -> list[object]:
        if isinstance(calls, Mapping | str) or not isinstance(calls, Iterable):
            raise WrongTypeError(f"calls must be a list of tuples or dicts: {calls!r}")
        return self._self_arguments.bodies(calls)


def _within(publisher: Publisher, connection: object) -> Publisher:
    from pulpo.within import Within  # noqa: PLC0415  # few publish so

    return Within(publisher, connection)


def _merged(template: Message, options: CallOptions, job_type: JobType) -> Message:
    """Return a message like the template with some options said anew; checks every one."""
    said: dict[str, Any] = {name: getattr(template, name) for name in _OF_MESSAGES}
    usual = _template(job_type)
    given: dict[str, Any] = {
        name: getattr(usual, name) if value is None else value for name, value in options.items()
    }
    headers = options.get("headers")
    if headers is not None:
        if not isinstance(headers, Mapping):
            raise WrongTypeError(f"headers must be a mapping of text to values: {headers!r}")
        given["headers"] = {**template.headers, **headers}
    if "at" in given or "delay" in given:
        said["at"] = said["delay"] = None
    merged = {**said, **given, "id": options.get("id", template.id if template.own_id else None)}
    if merged["id"] is None:
        del merged["id"]  # each message has one of its own
    return Message(type=template.type, **merged)


def _template(job_type: JobType) -> Message:
    """Return what every message of a type says, so that any app publishes it by the same rules."""
    return Message(
        type=job_type.type,
        queue=job_type.queue,
        priority=job_type.priority,
        ttr=job_type.ttr,
        expires=job_type.expires,
        unique=job_type.unique,
    )


def _bound(unique: object, arguments: Arguments) -> Unique | Literal[False]:
    """Return what was said of uniqueness, for a function that takes these arguments."""
    found = check_unique(unique)
    if not found:
        return found
    if arguments.names is not None:
        found.check(arguments.names)
    return found.bound(arguments.named)


def make_job_function(
    function: Callable[P, R], publisher: Publisher, options: JobOptions
) -> JobFunction[P, R]:
    """Return the job function of a function or a static method; it is not registered yet.

    Raises `WrongTypeError` for what can't be one, saying what to do instead.
    """
    plain = _plain(function)
    arguments = Arguments(plain)
    place = f"{_module_of(plain)}.{plain.__qualname__}"

    def bind(run: Bindable) -> Callable[[], object]:
        args, kwargs = arguments.unpack(run.envelope.body)
        return partial(plain, *args, **kwargs)

    job_type = make_job_type(
        options,
        type=place,
        bind=bind,
        is_async=inspect.iscoroutinefunction(plain),
        source=place,
        named=arguments.named,
    )
    if job_type.unique is not None:
        job_type = replace(job_type, unique=_bound(job_type.unique, arguments) or None)
    if job_type.limit is not None:
        arguments.check_names(job_type.limit.parameters, "limit: per")
    return JobFunction(plain, publisher, job_type, arguments, _template(job_type))


def _plain(function: object) -> FunctionType:
    if isinstance(function, JobFunction):
        raise WrongTypeError(f"{function!r} is a job already; use its __wrapped__ to make another")
    if isinstance(function, classmethod):
        raise WrongTypeError(
            f"a class method can't be a job, its class can't travel: {function.__func__!r}; "
            "make it a static method, @pulpo.job above @staticmethod"
        )
    static = isinstance(function, staticmethod)
    plain = function.__func__ if isinstance(function, staticmethod) else function
    if not isinstance(plain, FunctionType):
        raise WrongTypeError(
            f"a job is a function; for other callables use pulpo.register: {function!r}"
        )
    if plain.__name__ == "<lambda>":
        raise WrongTypeError(f"a lambda has no name that a worker could find; use def: {plain!r}")
    if inspect.isgeneratorfunction(plain) or inspect.isasyncgenfunction(plain):
        raise WrongTypeError(f"a job must return, not yield: {plain.__qualname__!r}")
    owner = plain.__qualname__.rpartition(".")[0]
    if owner and not owner.endswith("<locals>") and not static:
        raise WrongTypeError(
            f"{plain.__qualname__!r} is a method, and its object can't travel; put @pulpo.job "
            "above @staticmethod, or pulpo.register an object with handle(message)"
        )
    return plain


def _module_of(function: FunctionType) -> str:
    """Return the module as a worker imports it: a script that is run is `__main__` only here."""
    if function.__module__ != "__main__":
        return function.__module__
    main = sys.modules["__main__"]
    spec = getattr(main, "__spec__", None)
    if spec is not None:
        return str(spec.name).removesuffix(".__main__")
    file = getattr(main, "__file__", None)
    return Path(file).stem if file else "__main__"
