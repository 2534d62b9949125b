"""The thread of a worker process that publishes what is due: only where there are schedules.

It sleeps until the next tick. Every process has one, and all of them wake at the same moment, so
each waits a little longer by chance: the first one does it, and the others find it done. Knows no
schedule; whoever keeps them says when to come back.
"""

from __future__ import annotations

import random
import threading
from collections import deque
from collections.abc import Callable, Sequence

from pulpo.clock import Clock
from pulpo.system import wait_any
from pulpo.telling.schedules import TickOutcome
from pulpo.waker import Waker
from pulpo.worker.journal import Ended, Journal
from pulpo.worker.settings import WorkerParts, WorkerSettings
from pulpo.worker.ticker import Ticker

__all__ = ["LAST_TICK", "Ticking", "tick_outcomes"]

# The longest sleep, in seconds: a wall clock may be set, and nobody tells.
LONGEST = 5.0
# By so much at most a process comes late, so that not all come at once; in seconds.
SPREAD = 0.2
# How long the end of a worker waits for a tick that is being published.
LAST_TICK = 2.0
_MOST_OUTCOMES = 1_000


class Ticking:
    """The thread; `start`, `count` and `stop` are the loop thread's."""

    def __init__(self, make: Callable[[], Ticker], clock: Clock, journal: Journal) -> None:
        self._make = make
        self._clock = clock
        self._journal = journal
        self._bell = Waker()
        self._ending = False
        self._ended: deque[TickOutcome] = deque(maxlen=_MOST_OUTCOMES)
        self._thread = threading.Thread(target=self._serve, name="pulpo-schedules", daemon=True)

    @classmethod
    def of(cls, parts: WorkerParts, settings: WorkerSettings, clock: Clock) -> Ticking | None:
        """Return the thread of a worker; None where there are no schedules, or for a burst."""
        make = parts.ticker
        if make is None or settings.burst:
            return None
        now = clock.wall()
        since = (settings.deployed or now, now)
        journal = Journal(clock, format=settings.log_format)  # the worker's own is another thread's
        return cls(lambda: make(since), clock, journal)

    def start(self) -> None:
        """Begin, beside the loop."""
        try:
            self._thread.start()
        except RuntimeError as error:
            self._say("ERROR", f"this process keeps no schedules: {error}")

    def count(self, ended: Sequence[Ended]) -> None:
        """Note how jobs of schedules ended; of a tick of the loop."""
        found = tick_outcomes(ended, self._clock.wall())
        self._ended += found
        if found:
            self._bell.ring()

    def stop(self, patience: float = LAST_TICK) -> None:
        """End, within so many seconds; twice is once."""
        self._ending = True
        self._bell.ring()
        if self._thread.ident is not None:
            self._thread.join(patience)

    def _serve(self) -> None:
        try:
            ticker = self._make()
        except Exception as error:  # noqa: BLE001  # told, and the work goes on
            self._say("ERROR", f"this process keeps no schedules: {error}")
            return
        ticker.say = self._say
        while not self._ending:
            if self._ended:
                ticker.note([self._ended.popleft() for _ in range(len(self._ended))])
            coming = ticker.tick().next
            try:
                if wait_any([self._bell.fileno()], self._pause(coming))[0]:
                    self._bell.silence()
            except OSError:
                return  # a handler has closed every descriptor: what we hold is not ours any more
        if self._ended:
            ticker.note([self._ended.popleft() for _ in range(len(self._ended))])
        ticker.close()
        self._bell.close()

    def _pause(self, coming: float | None) -> float:
        if coming is None:
            return LONGEST
        left = coming - self._clock.wall()
        return min(max(left, 0.0) + random.uniform(0.0, SPREAD), LONGEST)

    def _say(self, level: str, text: str) -> None:
        self._journal.say(level, "schedules", reason=text)


def tick_outcomes(ended: Sequence[Ended], now: float) -> list[TickOutcome]:
    """Return how jobs of schedules have ended, out of all; `now` is in seconds since the epoch."""
    return [
        TickOutcome(
            name=str(name),
            id=run.id,
            tick=run.envelope.tick,
            outcome=verdict.ending.value,
            reason=verdict.reason,
            seconds=seconds,
            ended=now,
        )
        for run, verdict, seconds in ended
        if (name := run.envelope.headers.get("schedule")) is not None
    ]
