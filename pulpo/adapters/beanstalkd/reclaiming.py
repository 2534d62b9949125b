"""After a lost connection: taking back by `reserve-job` what still runs here.

The server gave those jobs back the moment the socket closed. Whoever asks first has them: we, for
the run that is under way, or somebody else, and then our lease is lost.
"""

from __future__ import annotations

from pulpo.adapters.beanstalkd import commands
from pulpo.adapters.beanstalkd.link import Awaited, Kind, Link
from pulpo.adapters.beanstalkd.switchboard import Flight, Switchboard
from pulpo.job import Job

__all__ = ["reclaim"]


def reclaim(board: Switchboard) -> None:
    """Take back the orphans; forget those that somebody else has: settling them answers False.

    Raises `QueueUnavailableError` while there is no server.
    """
    if not board.orphans:
        return
    link, flight = board.ready_link(), Flight()
    for number in board.orphans:
        flight.add(link, commands.take(number), Awaited(Kind.TAKE, number))
    for reply in board.fly(flight):
        number = reply.awaited.number
        job = board.orphans.get(number)
        if job is None:
            continue
        # The body holds the pulpo id: the same body is the same job, whatever the number says.
        if reply.data is not None and reply.data == job.body:
            board.hold(link, number, job)
            continue
        if reply.data is not None:
            _give_back_stranger(board, link, number)
        _forget(board, link, number, job)


def _forget(board: Switchboard, link: Link, number: int, job: Job) -> None:
    doubted = number in board.doubts
    board.doubts.discard(number)
    board.forget(number)
    if not doubted:
        return
    # Our delete was sent and its answer lost: a job that is gone was deleted by us.
    flight = Flight()
    flight.add(link, commands.peek(number), Awaited(Kind.PEEK, number))
    for reply in board.fly(flight):
        board.answers[number] = reply.data is None or reply.data != job.body


def _give_back_stranger(board: Switchboard, link: Link, number: int) -> None:
    # Numbers are used again after a restart: this one names somebody else's job by now.
    flight = Flight()
    flight.add(link, commands.stats_job(number), Awaited(Kind.STATS, number))
    for reply in board.fly(flight):
        priority = int(commands.parse_stats(reply.data or b"").get("pri", 65_536))
        back = Flight()
        back.add(link, commands.release(number, priority, 0), Awaited(Kind.NAME))
        board.fly(back)
