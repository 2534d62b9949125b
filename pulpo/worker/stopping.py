"""What a worker was told by signals: to stop, how often, and to show what it runs.

What that means is the supervisor's business.
"""

from __future__ import annotations

import signal

from pulpo.clock import Clock
from pulpo.waker import Waker

__all__ = ["SAME_SIGNAL", "SHOW", "STOPS", "StopSignals", "unheard"]

STOPS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
# Print what every slot runs.
SHOW = signal.SIGUSR1
# Signals so close together, in seconds, are one.
SAME_SIGNAL = 0.1


def unheard(*_: object) -> None:
    """Be told something to which there is no answer yet; by default the signal would kill."""


class StopSignals:
    """Counts them: a second time means now. Made and used in the main thread."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._first: float | None = None
        self.bell = Waker()
        self.count = 0
        #: Whether to show what runs; whoever has done so sets it back.
        self.show = False

    def listen(self) -> None:
        """Take the signals from now on; the bell rings for them and for the end of a child."""
        for number in STOPS:
            signal.signal(number, self._heard)
        signal.signal(SHOW, self._asked)
        signal.signal(signal.SIGCHLD, lambda *_: self.bell.ring())

    def forget(self) -> None:
        """In a forked process: let the signals do what they do by default."""
        for number in (*STOPS, signal.SIGCHLD):
            signal.signal(number, signal.SIG_DFL)
        signal.signal(SHOW, unheard)
        self.bell.close()

    def _asked(self, *_: object) -> None:
        self.show = True
        self.bell.ring()

    def _heard(self, *_: object) -> None:
        now = self._clock.monotonic()
        # timeout(1), shells and terminals tell a process and then its whole group: that is once.
        if self._first is None or now - self._first > SAME_SIGNAL:
            self.count += 1
        self._first = now if self._first is None else self._first
        self.bell.ring()
