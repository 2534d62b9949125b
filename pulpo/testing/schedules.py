"""The schedules of an app under test: its worker publishes their ticks, by the clock of the test.

When a tick is due, and that it is published once, is the business of `pulpo.timekeeping`. Knows no
queue.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from pulpo.periodic import Overlap
from pulpo.testing.clock import TrialClock
from pulpo.worker.journal import Ended

if TYPE_CHECKING:
    from pulpo.app import Pulpo
    from pulpo.timekeeping import Timekeeper

__all__ = ["Schedules"]


class Schedules:
    """Publishes what is due of the schedules that an app has; does nothing where it has none.

    A schedule begins with the first look at it, so `know` is called before the clock is moved: also
    one that the test itself has just declared is known by then. On a queue whose clock is its own
    nothing is published: when that would be depends on the hour at which the test is run.
    """

    def __init__(self, app: Pulpo, clock: TrialClock) -> None:
        self._app = app
        self._clock = clock
        self._names: list[str] = []
        self._queued: set[str] = set()
        self._keeper: Timekeeper | None = None
        self._next: float | None = None
        self._said: list[str] = []

    def know(self) -> None:
        """Let schedules begin that were declared since the last look."""
        schedules = self._app.recurring.schedules()
        names = [schedule.name for schedule in schedules]
        if names == self._names or not self._clock.is_movable:
            return
        self.close()
        self._names = names
        self._queued = {one.name for one in schedules if one.timing.overlap is Overlap.QUEUE}
        if names:
            self._keeper = self._app.timekeeper()
            self._keeper.say = lambda _, text: self._said.append(text)
            self._look(self._keeper)

    def tick(self) -> None:
        """Publish what is due; an `AssertionError` says of a tick why it is not accepted."""
        self.know()
        if self._keeper is not None:
            self._look(self._keeper)

    def wait(self) -> float | None:
        """Return in how many seconds there is something to be looked at; None for never."""
        return None if self._next is None else self._next - self._clock.wall()

    def ended(self, outcomes: Sequence[Ended]) -> None:
        """Take note of runs: the next tick of a schedule may have waited for one of them."""
        if self._keeper is None:
            return
        from pulpo.worker.ticking import tick_outcomes  # noqa: PLC0415  # few have schedules

        found = tick_outcomes(outcomes, self._clock.wall())
        if found:
            self._keeper.note(found)
        if any(outcome.name in self._queued for outcome in found):
            self._next = self._clock.wall()

    def close(self) -> None:
        """Keep no schedules any more."""
        keeper, self._keeper = self._keeper, None
        self._names, self._next = [], None
        if keeper is not None:
            keeper.close()

    def _look(self, keeper: Timekeeper) -> None:
        self._next = keeper.tick().next
        said, self._said = self._said, []
        if said:
            raise AssertionError("; ".join(said))
