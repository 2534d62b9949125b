"""One run of a Django task in a worker, told to Django's signals and kept beside the queue.

What becomes of the job is pulpo's business, as for any other: an error is raised on. Between two
attempts a task is READY again; it is FAILED only when its job is going to be buried.
"""

from __future__ import annotations

import asyncio
import os
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from traceback import format_exception
from typing import Any, cast

from asgiref.sync import sync_to_async
from django.db import close_old_connections

from pulpo.contrib.django.framework import (
    TaskContext,
    TaskResultStatus,
    normalize_json,
    task_finished,
    task_started,
)
from pulpo.contrib.django.results import result_of
from pulpo.contrib.django.stories import Stories, Story
from pulpo.errors import FatalError, WrongTypeError
from pulpo.registry import Bindable
from pulpo.run import Run

__all__ = ["Binding"]


@dataclass(frozen=True, slots=True)
class Binding:
    """How the job of a task becomes a call; `sender` is what its signals are sent by."""

    task: Any  # one of Django's, which has no types
    sender: type
    stories: Callable[[], Stories]

    def __call__(self, bound: Bindable) -> Callable[[], object]:
        """Return the call that does the work of one run."""
        run = cast(Run, bound)
        args, kwargs, backend = _said(self.task, run.envelope.body)
        call = _Call(self.task, run, args, kwargs, backend, self.sender, self.stories())
        return partial(_run_async if run.job_type.is_async else _run, call)


def _said(task: Any, body: object) -> tuple[list[Any], dict[str, Any], str]:
    match body:
        case {"args": list() as args, "kwargs": dict() as kwargs, "backend": str() as backend}:
            return args, kwargs, backend
    raise WrongTypeError(f"{task.module_path} takes args, kwargs and backend: {str(body)[:100]!r}")


@dataclass(frozen=True, slots=True)
class _Call:
    """What one run needs."""

    task: Any
    run: Run
    args: list[Any]
    kwargs: dict[str, Any]
    backend: str
    sender: type
    stories: Stories

    def begin(self) -> Story:
        """Say that the task runs; returns its story so far."""
        before = self.stories.read_or_none(self.run.id)
        now = time.time()
        story = Story(
            path=self.task.module_path,
            backend=self.backend,
            queue=self.run.queue,
            priority=self.run.priority,
            run_after=self.run.envelope.due,
            args=self.args,
            kwargs=self.kwargs,
            status=TaskResultStatus.RUNNING.value,
            started=before.started if before else now,
            attempted=now,
            workers=[*(before.workers if before else ()), _myself()],
            errors=before.errors if before else [],
        )
        self.stories.write(self.run.id, story)
        return story

    def arguments(self, result: Any) -> list[Any]:
        """Return the positional arguments, the context first where the task takes it."""
        context = [TaskContext(task_result=result)] if self.task.takes_context else []
        return [*context, *self.args]

    def succeeded(self, story: Story, value: object) -> Story:
        """Keep what the task has returned."""
        done = replace(
            story, status=TaskResultStatus.SUCCESSFUL.value, finished=time.time(), value=value
        )
        try:
            self.stories.write(self.run.id, done)
        except ValueError as error:
            raise FatalError(str(error)) from error
        return done

    def failed(self, story: Story, error: BaseException) -> Story:
        """Keep the error; the job is tried again or buried by the same rules."""
        policy = self.run.job_type.policy
        is_final = not (
            policy.is_transient(error) and policy.allows(self.run.envelope.failures + 1)
        )
        kind = type(error)
        said = [f"{kind.__module__}.{kind.__qualname__}", "".join(format_exception(error))]
        status = TaskResultStatus.FAILED if is_final else TaskResultStatus.READY
        done = replace(
            story,
            status=status.value,
            finished=time.time() if is_final else None,
            errors=[*story.errors, said],
        )
        self.stories.write(self.run.id, done)
        return done

    def tell(self, signal: Any, story: Story) -> Any:
        """Send one of Django's signals; returns the result that it was sent with."""
        result = result_of(self.task, self.run.id, story)
        signal.send(self.sender, task_result=result)
        return result


def _run(call: _Call) -> None:
    story = call.begin()
    result = call.tell(task_started, story)
    try:
        value = _plain(call.task.func(*call.arguments(result), **call.kwargs))
        done = call.succeeded(story, value)
    except BaseException as error:
        if not call.run.cut:  # a run that pulpo ends for reasons of its own is no failure
            _finish(call, call.failed(story, error))
        raise
    _finish(call, done)


async def _run_async(call: _Call) -> None:
    # What asks databases for a coroutine works in threads of asgiref's, connections included.
    await sync_to_async(close_old_connections)()
    try:
        story = await asyncio.to_thread(call.begin)
        result = await sync_to_async(call.tell)(task_started, story)
        try:
            value = _plain(await call.task.func(*call.arguments(result), **call.kwargs))
            done = await asyncio.to_thread(call.succeeded, story, value)
        except BaseException as error:
            if not call.run.cut:
                failed = await asyncio.to_thread(call.failed, story, error)
                await sync_to_async(_finish)(call, failed)
            raise
        await sync_to_async(_finish)(call, done)
    finally:
        await sync_to_async(close_old_connections)()


def _finish(call: _Call, story: Story) -> None:
    if story.finished is not None:
        call.tell(task_finished, story)


def _plain(value: object) -> object:
    try:
        plain: object = normalize_json(value)
    except (TypeError, ValueError) as error:
        # To run it again would do its work again, and return the same.
        raise FatalError(f"a task returns what JSON can hold: {error}") from error
    return plain


def _myself() -> str:
    return f"{socket.gethostname()}-{os.getpid()}"
