"""Django's tasks as pulpo's job types: which job a task asks for, and which task a job is of.

A task becomes known with its decorator; no name that a job carries is ever imported. Knows neither
the queue nor what a run comes to.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.conf import settings
from django.utils import timezone

from pulpo.contrib.django.framework import InvalidTask, Task
from pulpo.duration import Duration
from pulpo.errors import UsageError
from pulpo.identity import NORMAL
from pulpo.message import Message
from pulpo.options import JobOptions
from pulpo.retry import Backoff

__all__ = ["PulpoTask", "job_options", "message_for", "restored", "type_of"]

_PREFIX = "django:"
# Django's -100 to 100, larger is sooner, around pulpo's usual priority, smaller is sooner.
_STEP = 655


@dataclass(frozen=True, slots=True, kw_only=True)
class PulpoTask(Task):
    """A task with the options of a job type that Django's own does not have.

    `@task(retries=3, timeout="1m")`; None is as the backend's `OPTIONS` say, else as pulpo does.
    """

    retries: int | None = None
    backoff: Backoff | None = None
    timeout: Duration | None = None
    ttr: Duration | None = None
    expires: Duration | None = None

    def __post_init__(self) -> None:
        # Not by super(): a dataclass with slots is another class than the one written here.
        Task.__post_init__(self)


_OPTIONS = ("retries", "backoff", "timeout", "ttr", "expires")


def type_of(task: Any) -> str:  # Any: one of Django's
    """Return the job type of a task, by the place of its function."""
    return f"{_PREFIX}{task.module_path}"


def job_options(task: Any, usual: Mapping[str, object]) -> JobOptions:  # likewise
    """Return the options of a task's job type; `usual` are those of its backend."""
    said = {name: getattr(task, name, None) for name in _OPTIONS}
    own = {name: value for name, value in said.items() if value is not None}
    options: Any = {  # checked when the job type is made
        **usual,
        **own,
        "type": type_of(task),
        "queue": task.queue_name,
        "priority": _to_pulpo(task.priority),
    }
    return options  # type: ignore[no-any-return]


def message_for(task: Any, result: Any, backend: str) -> Message:  # likewise
    """Return the message that asks for a run of a task; `result` holds its id and arguments.

    Raises `InvalidTask` for arguments that the function does not take.
    """
    _check_call(task, result.args, result.kwargs)
    try:
        return Message(
            type=type_of(task),
            body={"args": result.args, "kwargs": result.kwargs, "backend": backend},
            queue=task.queue_name,
            priority=_to_pulpo(task.priority),
            at=_aware(task.run_after),
            id=result.id,
            own_id=False,  # Django has made it just now: nobody publishes it again
        )
    except UsageError as error:
        raise InvalidTask(str(error)) from error


def _check_call(task: Any, args: Sequence[object], kwargs: Mapping[str, object]) -> None:
    context = (None,) if task.takes_context else ()
    try:
        inspect.signature(task.func).bind(*context, *args, **kwargs)
    except TypeError as error:
        raise InvalidTask(f"{task.module_path} does not take these arguments: {error}") from None


def _aware(moment: datetime | None) -> datetime | None:
    if moment is None or settings.USE_TZ or timezone.is_aware(moment):
        return moment
    aware: datetime = timezone.make_aware(moment, timezone.get_default_timezone())
    return aware


def _to_pulpo(priority: int) -> int:
    return NORMAL - _STEP * int(priority)


def restored(
    task: Any, *, priority: int, queue: str, backend: str, run_after: datetime | None
) -> Any:  # likewise
    """Return a task as it was enqueued, without the checks that today's settings might fail."""
    copy = object.__new__(type(task))
    said = {
        **{name: getattr(task, name) for name in type(task).__dataclass_fields__},
        "priority": round((NORMAL - priority) / _STEP),
        "queue_name": queue,
        "backend": backend,
        "run_after": run_after,
    }
    for name, value in said.items():
        object.__setattr__(copy, name, value)
    return copy
