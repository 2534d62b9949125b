"""Middleware: generator functions around publishing a message, and around running a job.

One shape for both sides, for plain handlers and for `async def` ones. What stands before the
`yield` happens before, what follows it happens after, in the same thread and context:

    def timed(run):
        started = perf_counter()
        try:
            result = yield                      # here the handler runs; its error is raised here
        finally:
            print(run.type, perf_counter() - started)

    def stamped(message):
        yield message.with_headers({"tenant": tenant.get()})     # here it is published

This file knows no queue, no worker and no thread.
"""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Generator, Iterator, Sequence
from functools import partial
from types import TracebackType
from typing import TYPE_CHECKING, Any, TypeAlias, cast

from pulpo.errors import JobTimeoutError, UsageError, WrongTypeError
from pulpo.message import Message

if TYPE_CHECKING:
    import logging
    from typing import Self

__all__ = ["SIDES", "Chains", "Middleware", "Outbound", "check_side", "wrapped", "wrapped_async"]

SIDES = ("publish", "run")

# Any: what is given to it and sent into it depends on the side, and is the user's to annotate.
Middleware: TypeAlias = Callable[[Any], Iterator[Any]]
_Steps: TypeAlias = Generator[Any, Any, Any]


class Chains:
    """The middleware of one app, outermost first; filled at import, read by any thread."""

    def __init__(self) -> None:
        self.publish: list[Middleware] = []
        self.run: list[Middleware] = []

    def add(self, side: str, function: Middleware) -> None:
        """Add one inside those that are there; the same function twice is there once.

        Raises `UsageError` for an unknown side, `WrongTypeError` for what is no generator function.
        """
        check_side(side)
        if not _yields(function):
            raise WrongTypeError(
                f"middleware is a generator function, def with one plain yield: {function!r}"
            )
        chain: list[Middleware] = getattr(self, side)
        if function not in chain:
            chain.append(function)


def check_side(side: object) -> None:
    """Say which sides there are, where this is none."""
    if side not in SIDES:
        raise UsageError(f"middleware goes around 'publish' or 'run', not {side!r}")


def _yields(function: object) -> bool:
    # For a callable object it is its class' __call__ that yields.
    return inspect.isgeneratorfunction(function) or inspect.isgeneratorfunction(
        getattr(function, "__call__", None)  # noqa: B004  # not a test for callability
    )


def _named(function: Middleware) -> str:
    named = function.func if isinstance(function, partial) else function
    return f"{getattr(named, '__module__', '?')}.{getattr(named, '__qualname__', repr(named))}"


def wrapped(
    chain: Sequence[Middleware], run: object, call: Callable[[], object]
) -> Callable[[], object]:
    """Return the call of a plain handler with its middleware around it."""
    return partial(_called, chain, run, call)


def wrapped_async(
    chain: Sequence[Middleware], run: object, call: Callable[[], object]
) -> Callable[[], object]:
    """Return the call of an `async def` handler with its middleware around it."""
    return partial(_awaited, chain, run, call)


def _called(chain: Sequence[Middleware], run: object, call: Callable[[], object]) -> object:
    way = _Way()
    if way.goes_in(chain, run):
        try:
            way.result = call()
        except BaseException as error:  # noqa: BLE001  # a middleware may want to see any
            way.error = error
    return way.comes_out()


async def _awaited(chain: Sequence[Middleware], run: object, call: Callable[[], object]) -> object:
    way = _Way()
    if way.goes_in(chain, run):
        try:
            way.result = await cast("Awaitable[object]", call())
        except BaseException as error:  # noqa: BLE001  # cancelling is one as well
            way.error = error
    return way.comes_out()


class _Way:
    """The way of one run in through its middleware, and out again."""

    __slots__ = ("_entered", "error", "result")

    def __init__(self) -> None:
        self._entered: list[tuple[Middleware, _Steps]] = []
        self.result: object = None
        self.error: BaseException | None = None

    def goes_in(self, chain: Sequence[Middleware], run: object) -> bool:
        """Start each in turn; False where one has answered in the handler's place, or failed."""
        for function in chain:
            try:
                steps = cast(_Steps, function(run))
                next(steps)
            except StopIteration as end:
                self.result = end.value
                if end.value is None:
                    # A job that nobody has run must not be deleted as done for a forgotten yield.
                    self.error = WrongTypeError(
                        f"middleware {_named(function)} ended before its yield; to answer in the "
                        "handler's place it returns an outcome"
                    )
                return False
            except BaseException as error:  # noqa: BLE001  # foreign code
                self.error = error
                return False
            self._entered.append((function, steps))
        return True

    def comes_out(self) -> object:
        """Let each go on, the innermost first; return what the run has come to, or raise it."""
        while self._entered:
            self._step_out(*self._entered.pop())
        error, self.error = self.error, None
        if error is None:
            return self.result
        try:
            raise error
        finally:
            del error  # or it and this frame would keep each other

    def _step_out(self, function: Middleware, steps: _Steps) -> None:
        before = self.error
        # Its author wants to see where the handler failed, not through whom the error went.
        where = None if before is None else _traceback_of(before)
        try:
            steps.send(self.result) if before is None else steps.throw(before)
            steps.close()
        except StopIteration as end:
            if end.value is not None:
                self.result, self.error = end.value, None
        except BaseException as raised:  # noqa: BLE001  # foreign code
            self.error = raised
        else:
            self.error = WrongTypeError(f"middleware {_named(function)} yields more than once")
            self.error.__cause__ = before
        if before is not None and (self.error is before or _is_wrapped(self.error, before)):
            self.error = BaseException.with_traceback(before, where)


def _traceback_of(error: BaseException) -> TracebackType | None:
    # Past what a class of the user's may do when it is asked for an attribute.
    found: TracebackType | None = BaseException.__dict__["__traceback__"].__get__(error)
    return found


def _is_wrapped(raised: BaseException | None, before: BaseException) -> bool:
    """Tell whether Python itself has put an error around a StopIteration that passed through."""
    return (
        issubclass(type(before), StopIteration)
        and type(raised) is RuntimeError
        and raised.__cause__ is before
    )


class Outbound:
    """A batch on its way through the middleware to the queue; a context manager.

    `messages` are to be published, `results` to be filled with their references. What fails before
    the batch is sent is raised, and nothing is sent. What fails afterwards is logged: the job is in
    the queue, and who publishes has to know that.
    """

    def __init__(self, chain: Sequence[Middleware], batch: Sequence[Message]) -> None:
        self._chain = tuple(chain)
        self._batch = batch
        self._entered: list[list[tuple[Middleware, _Steps]]] = []
        self.messages: list[Message] = []
        self.results: Sequence[object] = ()

    def __enter__(self) -> Self:
        try:
            for message in self._batch:
                self.messages.append(self._prepared(message))
        except BaseException as error:
            self._leave([error] * len(self._entered))
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        where: TracebackType | None,
    ) -> None:
        if error is None:
            self._leave(self.results)
        else:
            # Of a batch of which some were accepted, each hears its own fate.
            self._leave(getattr(error, "results", ()) or [error] * len(self._entered))

    def _prepared(self, message: Message) -> Message:
        entered: list[tuple[Middleware, _Steps]] = []
        self._entered.append(entered)
        for function in self._chain:
            steps = cast(_Steps, function(message))
            try:
                wanted = next(steps)
            except StopIteration:
                raise UsageError(
                    f"middleware {_named(function)} ended before its yield; "
                    "to keep a message from being published it raises an error"
                ) from None
            entered.append((function, steps))
            if wanted is not None:
                message = _checked(function, wanted, message)
        return message

    def _leave(self, results: Sequence[object]) -> None:
        under_way = list(zip(self._entered, self._batch, results, strict=False))
        # The last to come in is the first to go out, so that what they set is set back in order.
        for entered, message, result in reversed(under_way):
            for function, steps in reversed(entered):
                _conclude(function, steps, result, message)


def _checked(function: Middleware, wanted: object, message: Message) -> Message:
    if not isinstance(wanted, Message):
        raise WrongTypeError(
            f"middleware {_named(function)} must yield nothing or a message: {wanted!r}"
        )
    if wanted.id != message.id:
        # Publishing the same message again is safe only as long as it has the same id.
        raise UsageError(f"middleware {_named(function)} must keep the id: {message.id!r}")
    return wanted


def _conclude(function: Middleware, steps: _Steps, result: object, message: Message) -> None:
    try:
        if isinstance(result, BaseException):
            where = result.__traceback__
            try:
                steps.throw(result)
            finally:
                BaseException.with_traceback(result, where)
        else:
            steps.send(result)
        steps.close()
        raise WrongTypeError(f"middleware {_named(function)} yields more than once")
    except StopIteration:
        pass
    except JobTimeoutError as error:
        if error is not result:
            raise  # the time limit of the handler that publishes: not this file's to swallow
    except Exception as error:  # noqa: BLE001  # told, and the job is in its queue
        if error is not result:
            told = "middleware %s failed after publishing job %s of type %r"
            _logger().exception(told, _named(function), message.id, message.type)
    except BaseException as error:
        if error is not result:
            raise


def _logger() -> logging.Logger:
    import logging  # noqa: PLC0415  # costs every producer three milliseconds

    return logging.getLogger(__name__)
