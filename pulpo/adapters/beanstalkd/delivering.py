"""Handing over the jobs that have arrived, in their order; what nobody has room for goes back.

Knows nothing of how they were asked for.
"""

from __future__ import annotations

from pulpo.adapters.beanstalkd.handing_back import hand_back_arrived
from pulpo.adapters.beanstalkd.looking import take_undescribed
from pulpo.adapters.beanstalkd.switchboard import Switchboard
from pulpo.clock import Clock
from pulpo.job import Job

__all__ = ["Delivering"]

# Jobs that have arrived and that nobody takes for so long, in seconds, are for others to run.
_LONGEST_STAY = 0.02


class Delivering:
    """What has arrived at one adapter and is not handed over yet."""

    def __init__(self, board: Switchboard, clock: Clock) -> None:
        self._board = board
        self._clock = clock
        self._stays_since: float | None = None

    def deliver(self, limit: int) -> list[Job]:
        """Return up to `limit` jobs; gives the others back once they have stayed for too long."""
        undescribed = take_undescribed(self._board) if self._board.has_json else ()
        arrived = self._board.arrived
        jobs = [arrived.popleft() for _ in range(min(limit, len(arrived)))]
        arrived.extend(undescribed)
        self._look_at_the_rest(moves=bool(jobs))
        return jobs

    def _look_at_the_rest(self, *, moves: bool) -> None:
        if not self._board.arrived:
            self._stays_since = None
            return
        if self._stays_since is None or moves:
            self._stays_since = self._clock.monotonic()
        elif self._clock.monotonic() - self._stays_since > _LONGEST_STAY:
            hand_back_arrived(self._board)
            self._stays_since = None
