"""Starting the leases of reserved jobs anew, all in one flight."""

from __future__ import annotations

from collections.abc import Sequence

from pulpo.adapters.beanstalkd import commands
from pulpo.adapters.beanstalkd.link import Awaited, Kind
from pulpo.adapters.beanstalkd.reclaiming import reclaim
from pulpo.adapters.beanstalkd.switchboard import Flight, Switchboard, unavailable
from pulpo.errors import QueueError
from pulpo.job import Job

__all__ = ["renew"]


def renew(board: Switchboard, jobs: Sequence[Job]) -> list[bool | QueueError]:
    """Touch jobs; for each, in order, True, False where its lease was lost, or why nobody knows."""
    board.receive()
    board.land()
    reclaim(board)
    board.touched.clear()
    flight = Flight()
    for job in jobs:
        link = board.holder(job.number)
        if link is not None and not link.awaited and not board.runs_anew(job):
            flight.add(link, commands.touch(job.number), Awaited(Kind.TOUCH, job.number))
    board.fly(flight)
    return [
        board.touched.get(job.number, unavailable(job.number))
        if (job.number in board.running or job.number in board.touched) and not board.runs_anew(job)
        else False
        for job in jobs
    ]
