"""What a program hangs around the publishing and running of an app's jobs, and who is told.

How middleware is called is known in `pulpo.middleware`, how listeners are in `pulpo.listeners`.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TypeVar, overload

from pulpo.events import check_event
from pulpo.listeners import Listener
from pulpo.middleware import Middleware, check_side
from pulpo.sending import Sender

__all__ = ["Hooks"]

M = TypeVar("M", bound=Middleware)
L = TypeVar("L", bound=Listener)


class Hooks:
    """`Pulpo.around` and `Pulpo.on`; for the start of a program."""

    def __init__(self, sender: Sender) -> None:
        self._sender = sender

    @overload
    def around(self, side: str, function: M, /) -> M: ...

    @overload
    def around(self, side: str, /) -> Callable[[M], M]: ...

    def around(self, side: str, function: M | None = None, /) -> M | Callable[[M], M]:
        """Put middleware, a generator function, around publishing or running; or as a decorator.

        `side` is `"publish"`, where it gets each message, or `"run"`, where it gets each `Run`. The
        first is the outermost.
        """
        if function is None:
            check_side(side)
            return partial(self.around, side)
        self._sender.chains.add(side, function)
        return function

    @overload
    def on(self, name: str, function: L, /) -> L: ...

    @overload
    def on(self, name: str, /) -> Callable[[L], L]: ...

    def on(self, name: str, function: L | None = None, /) -> L | Callable[[L], L]:
        """Call a function with each `Event` of a name, in a thread of its own; or as a decorator.

        `published` is told where the job was published, the outcomes in the worker's process, all
        of them once the queue has confirmed it. Raises `UsageError` for a name that is none.
        """
        if function is None:
            check_event(name)
            return partial(self.on, name)
        self._sender.listeners.add(name, function)
        return function
