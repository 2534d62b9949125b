"""Releasing jobs as settlements, in the flight of the others: each before all that is behind it.

What was asked for ahead is behind the jobs that go back, and goes back with them. What goes back at
once, in a flight of its own, is in `pulpo.adapters.beanstalkd.handing_back`.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

from pulpo.adapters.beanstalkd import commands
from pulpo.adapters.beanstalkd.link import Awaited, Kind
from pulpo.adapters.beanstalkd.looking import stats_of
from pulpo.adapters.beanstalkd.switchboard import Flight, Switchboard, unavailable
from pulpo.identity import NORMAL
from pulpo.job import Job

__all__ = ["Releasing"]


class Releasing:
    """The releases of one flight, and the jobs that have arrived and would overtake them."""

    def __init__(self, board: Switchboard) -> None:
        self._board = board
        #: Priorities by number, of jobs that nobody has got yet.
        self._overtaking: dict[int, int] = {}

    def plan(self, jobs: Sequence[Job]) -> dict[int, bytes]:
        """Return the command that releases each job; answers those of which nothing was heard."""
        if not jobs:
            return {}
        board = self._board
        board.land()
        behind = [job.number for job in board.arrived]
        found = self._priorities([job.number for job in jobs if job.priority is None] + behind)
        self._overtaking = {number: found[number] for number in behind if number in found}
        planned: dict[int, bytes] = {}
        for job in jobs:
            priority = found.get(job.number) if job.priority is None else job.priority
            if priority is None:
                board.answers[job.number] = unavailable(job.number)
            else:
                planned[job.number] = commands.release(job.number, priority, 0)
        return planned

    def add_overtaking(self, flight: Flight) -> None:
        """Add the releases of what has arrived to a flight, behind those of the planned jobs."""
        board, overtaking = self._board, self._overtaking
        if not overtaking:
            return
        self._overtaking = {}
        for number, priority in overtaking.items():
            link = board.holder(number)
            if link is not None and not link.awaited:
                flight.add(link, commands.release(number, priority, 0), Awaited(Kind.BACK, number))
                board.forget(number)
        board.arrived = deque(job for job in board.arrived if job.number in board.running)

    def _priorities(self, numbers: Sequence[int]) -> dict[int, int]:
        """Ask for the priorities of jobs, by number; those that are gone are left out."""
        stated = {
            number: commands.stated_priority(stats)
            for number, stats in stats_of(self._board, numbers).items()
        }
        return {number: NORMAL if p is None else p for number, p in stated.items()}
