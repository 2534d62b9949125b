"""After a lost connection: taking back by `reserve-job` what still runs here.

The server gave those jobs back the moment the socket closed. Whoever asks first has them: we, for
the run that is under way, or somebody else, and then our lease is lost.
"""

from __future__ import annotations

from pulpo.adapters.beanstalkd import commands
from pulpo.adapters.beanstalkd.link import Awaited, Kind
from pulpo.adapters.beanstalkd.switchboard import Flight, Switchboard
from pulpo.identity import NORMAL
from pulpo.job import Job

__all__ = ["reclaim"]


def reclaim(board: Switchboard) -> None:
    """Take back the orphans; forget those that somebody else has: settling them answers False.

    What is taken is held in the moment its reply is read, however late that is. Raises
    `QueueUnavailableError` while there is no server.
    """
    _give_back_strangers(board)
    if not board.orphans:
        return
    under_way = {
        each.number for link in board.links for each in link.awaited if each.kind is Kind.TAKE
    }
    numbers = [number for number in board.orphans if number not in under_way]
    requests = [(commands.take(number), Awaited(Kind.TAKE, number)) for number in numbers]
    for number, reply in board.ask(requests).items() if requests else ():
        job = board.orphans.get(number)
        # Taken, and an orphan again: this line was cut too.
        if job is not None and reply.data != job.body:
            _forget(board, number, job)
    _give_back_strangers(board)


def _forget(board: Switchboard, number: int, job: Job) -> None:
    if number in board.doubts:
        # Our delete was sent and its answer lost. A job that is gone was deleted by us, or by who
        # ran it after this line was cut: nothing tells which. True is what loses nothing, since
        # False takes back the copy of a retried job; at worst two runs that ended well say so.
        reply = board.ask([(commands.peek(number), Awaited(Kind.PEEK, number))]).get(number)
        if reply is None:
            return  # this line is cut too: asked again after the next reconnect
        board.answers[number] = reply.data != job.body
    board.forget(number)


def _give_back_strangers(board: Switchboard) -> None:
    # Numbers are used again after a restart: these name somebody else's jobs by now.
    strangers = [(link, number) for link, number in board.strangers if not link.broken]
    board.strangers.clear()
    for link, number in strangers:
        flight = Flight()
        flight.add(link, commands.stats_job(number), Awaited(Kind.STATS, number))
        for reply in board.fly(flight):
            known = commands.stated_priority(commands.parse_stats(reply.data or b""))
            priority = NORMAL if known is None else known
            back = Flight()
            back.add(link, commands.release(number, priority, 0), Awaited(Kind.BACK))
            board.fly(back)
