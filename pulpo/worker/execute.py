"""Calling a handler: the one place where foreign code runs.

Anything may come out of it, and nothing of that may reach the worker but as a value.
"""

from __future__ import annotations

import traceback
from collections.abc import Awaitable
from types import CoroutineType
from typing import NamedTuple, cast

from pulpo.clock import Clock
from pulpo.errors import WrongTypeError
from pulpo.run import CURRENT, Run
from pulpo.worker.decide import Raised

__all__ = ["Finished", "execute", "execute_async"]


class Finished(NamedTuple):
    """A run that is over: what it returned, or `Raised`, and the monotonic second of its end."""

    run: Run
    result: object
    ended: float


def execute(run: Run, clock: Clock) -> Finished:
    """Run a plain handler in this thread."""
    token = CURRENT.set(run)
    _begin(run, clock)
    result: object
    try:
        result = run.call()  # type: ignore[misc]  # opened runs have a call
        if result is not None:
            result = _awaited_by_nobody(run, result)
    except BaseException as error:  # noqa: BLE001  # SystemExit too must not end the worker
        result = _raised(error)
    finally:
        CURRENT.reset(token)
    return Finished(run, result, clock.monotonic())


async def execute_async(run: Run, clock: Clock) -> Finished:
    """Run an `async def` handler on this event loop."""
    CURRENT.set(run)  # a task has a context of its own
    _begin(run, clock)
    result: object
    try:
        result = await cast(Awaitable[object], run.call())  # type: ignore[misc]
        if result is not None:
            result = _awaited_by_nobody(run, result)
    except BaseException as error:  # noqa: BLE001  # a cancelled task as well has a verdict
        result = _raised(error)
    return Finished(run, result, clock.monotonic())


def _raised(error: BaseException) -> Raised:
    if issubclass(type(error), MemoryError):
        # Its traceback keeps every variable of the handler, and with these what there is no more
        # of: to tell of it, memory is needed.
        traceback.clear_frames(error.__traceback__)
    return Raised(error)


def _awaited_by_nobody(run: Run, result: object) -> object:
    """Return a handler's result, or the error that it is a coroutine.

    By its type: a value of the user's is not asked, since it may lie about its class, or raise.
    """
    if not issubclass(type(result), CoroutineType):
        return result
    # A job deleted as done of which no line has run.
    cast("CoroutineType[object, object, object]", result).close()
    return Raised(WrongTypeError(f"{run.type!r} returned a coroutine; use async def"))


def _begin(run: Run, clock: Clock) -> None:
    run.started_at = clock.wall()
    run.started = clock.monotonic()
