"""Giving jobs back at once, at their own places, with nothing spent.

Closing the socket would do, but counts as a run that ended without a word; and `release` sets the
priority, which the server did not say when it handed the job out: it is asked first.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress

from pulpo.adapters.beanstalkd import commands
from pulpo.adapters.beanstalkd.link import Awaited, Kind, Link
from pulpo.adapters.beanstalkd.looking import stats_of
from pulpo.adapters.beanstalkd.switchboard import Flight, Switchboard
from pulpo.errors import QueueError
from pulpo.job import Job

__all__ = ["hand_back_all", "hand_back_arrived", "release_unheard"]


def hand_back_arrived(board: Switchboard) -> None:
    """Release what has arrived and nobody has got; all of it, or the last ones would come first."""
    board.land()
    if board.arrived:
        _hand_back(board, list(board.arrived))


def _hand_back(board: Switchboard, jobs: Sequence[Job]) -> None:
    """Release jobs; those that cannot be reached go back when their socket closes."""
    numbers = [job.number for job in jobs]
    board.arrived.clear()
    flight = Flight()
    with suppress(QueueError):
        for number, stats in stats_of(board, numbers).items():
            link, priority = board.holder(number), commands.stated_priority(stats)
            if link is not None and priority is not None and not link.awaited:
                release = commands.release(number, priority, 0)
                flight.add(link, release, Awaited(Kind.RELEASE, number))
        board.fly(flight)
    for number in numbers:
        board.answers.pop(number, None)
        board.forget(number)


def release_unheard(board: Switchboard, jobs: Sequence[Job]) -> None:
    """Send the releases of jobs and read no answer, since the process ends right after."""
    orders: dict[Link, list[bytes]] = {}
    with suppress(QueueError):
        for number, stats in stats_of(board, [job.number for job in jobs]).items():
            link, priority = board.holder(number), commands.stated_priority(stats)
            if link is not None and priority is not None:
                release = commands.release(number, priority, 0)
                orders.setdefault(link, []).append(release)
        for link, releases in orders.items():
            link.send(releases, [Awaited(Kind.BACK)] * len(releases))


def hand_back_all(board: Switchboard) -> None:
    """Release everything that is held, before the sockets are closed."""
    if board.running:
        _hand_back(board, list(board.running.values()))
