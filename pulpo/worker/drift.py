"""Whether the clocks around a worker agree: its own wall clock with itself, and with producers.

Nothing is decided by it, since intervals go by the monotonic clock: it is told, because dates that
people name (`at`, `expires`) mean another moment on each clock. Looked at once a turn of the loop
and once for each flight of jobs, never for each job.
"""

from __future__ import annotations

from collections.abc import Callable

from pulpo.identity import published_at
from pulpo.run import Run
from pulpo.system import seconds_asleep
from pulpo.worker.journal import Journal

__all__ = ["Drift"]

# Seconds: of a step of the wall clock, and between a producer's clock and ours.
STEP, SKEW = 30.0, 5.0


class Drift:
    """Tells each step of the wall clock, and once that a producer's clock is ahead; the loop's."""

    def __init__(self, journal: Journal, asleep: Callable[[], float] = seconds_asleep) -> None:
        self._journal = journal
        self._asleep = asleep
        self._apart: float | None = None
        self._told_skew = False

    def look(self, *, wall: float, monotonic: float) -> None:
        """Compare the clocks of this machine; both times in seconds.

        The monotonic clock stands still while a machine is suspended, which is no step.
        """
        apart = wall - monotonic - self._asleep()
        step = 0.0 if self._apart is None else apart - self._apart
        # Slow drift is followed: a clock that is being slewed back does not step.
        self._apart = apart
        if abs(step) > STEP:
            self._journal.say(
                "WARNING",
                "clock",
                reason=f"the wall clock was set {abs(step):.0f} s {'on' if step > 0 else 'back'}",
            )

    def look_at(self, run: Run, *, wall: float) -> None:
        """Compare our clock with that of a job's producer, as the job arrives.

        Only a job from the future shows a skew: one from the past may just have waited.
        """
        if self._told_skew:
            return
        made = published_at(run.id)
        if made is not None and made - wall > SKEW:
            self._told_skew = True
            self._journal.say(
                "WARNING",
                "clock",
                id=run.id,
                reason=f"a job was published {made - wall:.0f} s from now: its producer's clock "
                "and this worker's differ, and so do their dates, as `at` and `expires`",
            )
