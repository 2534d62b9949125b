"""What was published in a test, and what a test expects of it.

Pure: knows no queue. How a difference is told is said here as well, since it is what a test that
fails has to show.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from pulpo.codec import Codec
from pulpo.duration import Duration, as_text, seconds
from pulpo.errors import UsageError, WrongTypeError
from pulpo.function import JobFunction
from pulpo.testing.connections import Noted

__all__ = ["Arguments", "PublishedJob", "Wanted", "published_job"]

Arguments: TypeAlias = Mapping[str, object] | Sequence[object]
# So much, in seconds, may lie between a delay that is expected and the one that was published: code
# that reckons from the real time is not exact, and beanstalkd counts whole seconds.
_TOLERANCE = 1.0
_LONGEST_SHOWN = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishedJob:
    """A job that the queue has accepted, as it came out of the wire format again.

    `args` are its arguments by name, or the body of a message that has no names. `due_in` is how
    many seconds after it was published it may run, `headers` are the producer's own.
    """

    id: str
    type: str
    queue: str
    args: object
    due_in: float
    priority: int
    headers: Mapping[str, object] = field(default_factory=dict)

    def __str__(self) -> str:
        due = f" due in {as_text(self.due_in)}" if self.due_in else ""
        return f"{self.type}({_listed(self.args)}) in queue {self.queue}{due}"


def published_job(noted: Noted, codec: Codec) -> PublishedJob:
    """Return a job that was noted on its way to the queue."""
    job, moment = noted
    envelope = codec.decode(job.body)
    return PublishedJob(
        id=job.id,
        type=job.type,
        queue=job.queue,
        args=envelope.body,
        due_in=max(job.delay, 0.0 if job.at is None else job.at - moment),
        priority=job.priority,
        headers=envelope.user_headers(),
    )


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a test expects of a published job; what is None may be anything.

    `function` is that of the job, where it is known: arguments are then compared by its signature.
    """

    type: str | None
    args: Arguments | None
    queue: str | None
    due_in: tuple[float, float] | None
    function: Callable[..., object] | None = None

    @classmethod
    def of(
        cls,
        type: str | JobFunction[..., Any] | None,
        args: object,
        queue: str | None,
        due_in: Duration | tuple[Duration, Duration] | None,
    ) -> Wanted:
        """Check what a test says; raises `UsageError` or `WrongTypeError` naming it."""
        function = type.__wrapped__ if isinstance(type, JobFunction) else None
        name = type.job_type.type if isinstance(type, JobFunction) else type
        if name is not None and not isinstance(name, str):
            raise WrongTypeError(f"type must be a job function or its type as text: {type!r}")
        if queue is not None and not isinstance(queue, str):
            raise WrongTypeError(f"queue must be text: {queue!r}")
        return cls(name, _checked_args(args), queue, _span(due_in), function)

    def differences(self, job: PublishedJob) -> list[str]:
        """Return what about a job is not as expected, the type first."""
        found = []
        if self.type is not None and job.type != self.type:
            found.append(f"type is {job.type}")
        if self.args is not None:
            found += _different_args(self.args, _named(job.args, self.function))
        if self.queue is not None and job.queue != self.queue:
            found.append(f"queue is {job.queue}")
        if self.due_in is not None and not self.due_in[0] <= job.due_in <= self.due_in[1]:
            found.append(f"due in {as_text(job.due_in)}")
        return found

    def __str__(self) -> str:
        parts = [f"type {self.type}" if self.type is not None else ""]
        if self.args is not None:
            parts.append(f"args {_shown(self.args)}")
        if self.queue is not None:
            parts.append(f"queue {self.queue}")
        if self.due_in is not None:
            parts.append(_shown_span(*self.due_in))
        return ", ".join(part for part in parts if part) or "anything"


def _named(args: object, function: Callable[..., object] | None) -> object:
    """Return arguments by name, in the order of the signature, with the defaults of others."""
    match args:
        case [list() as given, dict() as named]:
            pass
        case dict() as named:
            given = []
        case _:
            return args
    if function is not None:
        try:
            bound = inspect.signature(function).bind(*given, **named)
        except TypeError:  # another type's job
            return args
        bound.apply_defaults()
        return _plain(dict(bound.arguments))
    return {**dict(enumerate(given)), **named}


def _checked_args(args: object) -> Arguments | None:
    if args is None or isinstance(args, Mapping):
        return None if args is None else {name: _plain(value) for name, value in args.items()}
    if isinstance(args, str | bytes) or not isinstance(args, Sequence):
        raise WrongTypeError(f"args must be a tuple of arguments or a dict of named ones: {args!r}")
    return [_plain(value) for value in args]


def _span(due_in: object) -> tuple[float, float] | None:
    """Return the earliest and the latest delay that will do, in seconds."""
    if due_in is None:
        return None
    if not isinstance(due_in, tuple):
        exact = seconds(due_in, "due_in")  # type: ignore[arg-type]  # checked there
        return exact - _TOLERANCE, exact + _TOLERANCE
    if len(due_in) != 2:
        raise UsageError(f"due_in must be a duration, or a pair of the least and most: {due_in!r}")
    least, most = (seconds(each, "due_in") for each in due_in)
    if least > most:
        raise UsageError(f"due_in must name the shorter duration first: {due_in!r}")
    return least, most


def _different_args(wanted: Arguments, args: object) -> list[str]:
    if not isinstance(args, Mapping):
        if wanted == args:
            return []
        return [f"args are {_shown(args)}"]
    if isinstance(wanted, Mapping):
        pairs = list(wanted.items())
    else:
        # By position: in the order of the signature, which is that of the published map.
        names = list(args)
        if len(wanted) > len(names):
            return [f"args are {_shown(args)}"]
        pairs = list(zip(names, wanted, strict=False))
    return [
        f"{name} is {_shown(args[name])}" if name in args else f"no {name} was given"
        for name, value in pairs
        if name not in args or not _equal(args[name], value)
    ]


def _equal(value: object, wanted: object) -> bool:
    # The test's object goes first: it may be one that equals anything of a kind.
    return bool(wanted == value)


def _plain(value: object) -> object:
    """Return a value as it arrives: tuples travel as lists."""
    match value:
        case list() | tuple():
            return [_plain(each) for each in value]
        case dict():
            return {name: _plain(each) for name, each in value.items()}
    return value


def _listed(args: object) -> str:
    if not isinstance(args, Mapping):
        return "" if args is None else _shown(args)
    return ", ".join(f"{name}={_shown(value)}" for name, value in args.items())


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= _LONGEST_SHOWN else f"{text[:_LONGEST_SHOWN]}..."


def _shown_span(least: float, most: float) -> str:
    middle = (least + most) / 2
    if most - least == 2 * _TOLERANCE:
        return f"due in {as_text(middle)}"
    return f"due in {as_text(least)} to {as_text(most)}"
