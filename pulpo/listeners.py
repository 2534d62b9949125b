"""Who is told of events, and the thread in which they are told.

Telling never waits: events stand in a line that one thread works off. A listener that is slower
than its events loses some of them, which is counted and said; it slows no worker and no publisher.
"""

from __future__ import annotations

import atexit
import inspect
import os
import threading
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeAlias

from pulpo.errors import WrongTypeError
from pulpo.events import Event, check_event

if TYPE_CHECKING:
    from logging import Logger

__all__ = ["Listener", "Listeners"]

# Any: what a listener returns is dropped.
Listener: TypeAlias = Callable[[Event], Any]

# So many events may stand in line; at a few hundred bytes each.
MOST_WAITING = 10_000
# At the end of a program, for what still stands in line, in seconds.
_AT_EXIT = 2.0


class Listeners:
    """The listeners of one app. Any thread may tell; all of them are called in one thread.

    There is no lock in here, for the same reason as in `pulpo.connections`.
    """

    def __init__(self) -> None:
        #: By the name of their event. Whoever has something to tell looks here first.
        self.functions: dict[str, tuple[Listener, ...]] = {}
        #: Events that found the line full.
        self.dropped = 0
        self._lines: dict[int, _Line] = {}

    def add(self, name: str, function: Listener) -> None:
        """Call a function with each event of a name; the same function twice is called once.

        Raises `UsageError` for an unknown name, `WrongTypeError` for what cannot be called.
        """
        check_event(name)
        if not callable(function):
            raise WrongTypeError(f"a listener is a function that takes an event: {function!r}")
        if inspect.iscoroutinefunction(function):
            raise WrongTypeError(f"a listener is a plain function, not async: {function!r}")
        known = self.functions.get(name, ())
        if function not in known:
            self.functions[name] = (*known, function)

    def tell(self, event: Event) -> None:
        """Let the listeners know, some time soon.

        What a listener itself publishes is no event, or one that publishes would never end.
        """
        line = self._line()
        if line is None:
            self._drop("there is no thread for listeners")
        elif line.is_mine():
            return
        elif len(line.waiting) >= MOST_WAITING:
            self._drop(f"the listeners are too slow: {MOST_WAITING} events wait for them")
        else:
            line.put(event)

    def flush(self, timeout: float) -> bool:
        """Wait until everything told so far was delivered; False after so many seconds."""
        line = self._lines.get(os.getpid())
        if line is None or line.is_mine():
            return True
        delivered = threading.Event()
        line.put(delivered)
        return delivered.wait(timeout)

    def _drop(self, reason: str) -> None:
        self.dropped += 1
        if self.dropped == 1:
            _logger().warning("events are dropped: %s", reason)

    def _line(self) -> _Line | None:
        # One for each process: a fork copies the line, but not the thread that works it off.
        pid = os.getpid()
        line = self._lines.get(pid)
        if line is None:
            mine = _Line(self._deliver)
            line = self._lines.setdefault(pid, mine)
            if line is mine and not self._starts(line):
                # The program is at its end, or the system is: the next event may find it better.
                del self._lines[pid]
                return None
        return line

    def _starts(self, line: _Line) -> bool:
        try:
            line.thread.start()
        except RuntimeError:
            return False
        atexit.register(self._at_exit)
        return True

    def _at_exit(self) -> None:
        self.flush(_AT_EXIT)
        if self.dropped:
            _logger().warning("%d events were dropped", self.dropped)

    def _deliver(self, event: Event) -> None:
        for function in self.functions.get(event.name, ()):
            try:
                function(event)
            except BaseException:  # noqa: BLE001  # foreign code; the next event is told as well
                told = "a listener failed at %r of job %s of type %r: %r"
                _logger().exception(told, event.name, event.id, event.type, function)


class _Line:
    """Events in the order in which they were told, and the thread that works them off."""

    def __init__(self, deliver: Callable[[Event], None]) -> None:
        self.waiting: deque[Event | threading.Event] = deque()
        self._bell = threading.Event()
        self._deliver = deliver
        self.thread = threading.Thread(target=self._work, name="pulpo-listeners", daemon=True)

    def is_mine(self) -> bool:
        """Tell whether the caller is the thread that delivers."""
        return threading.get_ident() == self.thread.ident

    def put(self, event: Event | threading.Event) -> None:
        """Add to the line; something that waits for its turn is rung when it has come."""
        self.waiting.append(event)
        self._bell.set()

    def _work(self) -> None:
        while True:
            try:
                event = self.waiting.popleft()
            except IndexError:
                self._bell.wait()
                self._bell.clear()  # before the look: what comes after it rings again
                continue
            if isinstance(event, Event):
                self._deliver(event)
            else:
                event.set()


def _logger() -> Logger:
    import logging  # noqa: PLC0415  # costs every producer three milliseconds

    return logging.getLogger(__name__)
