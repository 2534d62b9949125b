"""The time that the database is told: none in production, where its own clock counts for everybody.

A test that moves its clock tells it in each call.
"""

from __future__ import annotations

from pulpo.clock import Clock, SystemClock

__all__ = ["Timepiece"]


class Timepiece:
    """What one engine says of the time; any thread."""

    def __init__(self, clock: Clock) -> None:
        self._clock = None if isinstance(clock, SystemClock) else clock
        self._base = clock.wall() - clock.monotonic()

    def told(self) -> float | None:
        """Return the second that the database is to go by, None for its own.

        A clock that is moved runs like the database's: what sets a host's wall clock does not set
        the database's.
        """
        return None if self._clock is None else self._base + self._clock.monotonic()
