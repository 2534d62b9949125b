"""While the queue is out of reach: waiting a little longer each time, for ever, and saying so once.

A worker outlives its queue's restarts. Knows no queue, only how long it has been away.
"""

from __future__ import annotations

import random
import threading
from collections.abc import Callable

from pulpo.clock import Clock
from pulpo.errors import QueueUnavailableError
from pulpo.worker.journal import Journal

__all__ = ["Outage"]

FIRST_PAUSE, LONGEST_PAUSE = 0.1, 5.0
# The loop beats at least so often while it waits, in seconds.
BEAT = 0.25


class Outage:
    """How long to wait before the next try; the loop thread's."""

    def __init__(self, clock: Clock, journal: Journal, beat: Callable[[], None]) -> None:
        self._clock = clock
        self._journal = journal
        self._beat = beat
        self._pause = 0.0
        self._answered = False

    @property
    def is_reached(self) -> bool:
        """Whether the queue answered when it was last asked."""
        return self._answered and not self._pause

    def is_the_first_word(self, error: Exception) -> bool:
        """Tell whether the queue is out of reach and has been since the start."""
        return not self._answered and isinstance(error, QueueUnavailableError)

    def is_over(self) -> None:
        """The queue has answered."""
        self._answered = True
        if self._pause:
            self._journal.say("INFO", "back", reason="the queue is in reach again")
            self._pause = 0.0

    def wait(self, error: Exception, stopped: threading.Event) -> None:
        """Wait before the next try, or until the worker is stopped."""
        if not self._pause:
            self._journal.say("WARNING", "waiting", reason=f"queue out of reach: {error}")
        self._pause = min(max(self._pause * 2, FIRST_PAUSE), LONGEST_PAUSE)
        if stopped.is_set():
            # It wakes nobody a second time: the rest of the grace must not pass in a spin.
            threading.Event().wait(FIRST_PAUSE)
            return
        # Not all workers of a host at the same moment.
        until = self._clock.monotonic() + self._pause * random.uniform(0.8, 1.0)
        while (left := until - self._clock.monotonic()) > 0:
            self._beat()
            if stopped.wait(min(left, BEAT)):
                return
