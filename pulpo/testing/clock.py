"""The clock of a test: it stands still until the test moves it, so that nothing has to sleep.

Knows no queue; who lives through the time that passes is told.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import NoReturn

from pulpo.clock import Clock, ManualClock, SystemClock
from pulpo.duration import Duration, seconds
from pulpo.errors import UnsupportedError, UsageError
from pulpo.message import check_moment

__all__ = ["TrialClock", "frozen_clock", "unmovable_clock"]

# What is tested may ask the real clock, and publish for "now and an hour": on a clock that starts a
# second ahead, such a job is due when an hour has passed, and not a millisecond later.
_AHEAD = 1.0
# A 64th of a second is exact as a float and as a datetime, so that sums and dates agree to the bit.
_GRAIN = 64


class TrialClock:
    """The clock of a test's queue and worker: `now`, and `advance`. Made by `pulpo.testing.trial`.

    It is a `pulpo.clock.Clock`, and can be given to whatever takes one. One thread moves it, any
    thread may read it.
    """

    def __init__(self, clock: Clock, refuse: Callable[[], NoReturn] | None = None) -> None:
        self._clock = clock
        self._refuse = refuse
        #: Called with the seconds that are to pass, by whoever runs what comes due meanwhile.
        self.living: Callable[[float], None] | None = None
        #: Called before the hands are moved, by whoever wants to see the moment that is left.
        self.leaving: Callable[[], None] | None = None

    @property
    def is_movable(self) -> bool:
        """Whether `advance` does not refuse."""
        return isinstance(self._clock, ManualClock)

    def wall(self) -> float:
        """Return seconds since the epoch."""
        return self._clock.wall()

    def monotonic(self) -> float:
        """Return seconds that only `advance` moves."""
        return self._clock.monotonic()

    def boot(self) -> str:
        """Return a name of this boot."""
        return self._clock.boot()

    @property
    def now(self) -> datetime:
        """The time of queue and worker, in UTC."""
        return datetime.fromtimestamp(self.wall(), UTC)

    def advance(self, duration: Duration) -> None:
        """Let time pass: delays, backoffs, leases and pauses end, and nobody waits for it.

        Jobs that come due run with the next `drain()`, or, where jobs run inline, right here, each
        at its time. Raises `UsageError` for what is no duration, `UnsupportedError` on a queue
        whose clock is its own; under pytest such a test is skipped.
        """
        length = seconds(duration)
        if self.living is None:
            self.move(length)
        else:
            self.living(length)

    def advance_to(self, moment: datetime) -> None:
        """Let time pass until an aware datetime; see `advance`. The past is refused."""
        length = check_moment(moment, "moment") - self.wall()
        if length < 0:
            raise UsageError(f"a test's clock only goes forward; it is {self.now}: {moment!r}")
        self.advance(length)

    def move(self, length: float) -> None:
        """Move the hands by so many seconds, and run nothing."""
        if not isinstance(self._clock, ManualClock):
            assert self._refuse is not None
            self._refuse()
        if self.leaving is not None:
            self.leaving()
        self._clock.advance(length)


def frozen_clock() -> TrialClock:
    """Return a clock that stands still, a second ahead of the real one."""
    return TrialClock(ManualClock(int((time.time() + _AHEAD) * _GRAIN) / _GRAIN))


def unmovable_clock(engine: str, refuse: Callable[[str], NoReturn] | None) -> TrialClock:
    """Return the real clock, for an engine that asks no other; `refuse` is told why, and raises."""
    reason = (
        f"the clock of {engine} cannot be moved: run this test on memory:// or sqlite://, or let "
        "it do without advance()"
    )

    def refused() -> NoReturn:
        if refuse is not None:
            refuse(reason)
        raise UnsupportedError(reason)

    return TrialClock(SystemClock(), refused)
