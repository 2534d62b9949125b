"""The connections of one adapter, and which job is held on which of them.

A reserved job belongs to the socket it came by. When a socket is lost its jobs are ready again at
once, so after a reconnect the first thing is to take back what still runs here. This file knows
how replies change who holds what; which commands to send is decided by its callers.
"""

from __future__ import annotations

import itertools
import re
from collections import deque
from collections.abc import Callable
from contextlib import suppress

from pulpo.adapters.beanstalkd.link import Awaited, Kind, Link, Reply
from pulpo.clock import Clock
from pulpo.errors import ProtocolError, QueueError, QueueFullError, QueueUnavailableError
from pulpo.job import Job, reserved

__all__ = ["PATIENCE", "Flight", "Switchboard"]

# How long one call waits for replies. A server that is only slow gets its answer read later, at
# the same place: closing a link that holds jobs would start everything running a second time.
PATIENCE = 1.0
# How long a server may say nothing at all, on a link without and with jobs.
SILENCE, SILENCE_WITH_JOBS = 5.0, 60.0
# A server, or something between, that breaks every connection is not asked again without a pause.
_ODD_ENDS, _ODD_TIME = 8, 1.0

_DONE = {
    Kind.DELETE: b"DELETED",
    Kind.RELEASE: b"RELEASED",
    Kind.BURY: b"BURIED",
    Kind.TOUCH: b"TOUCHED",
}
_SETTLES = (Kind.DELETE, Kind.RELEASE, Kind.BURY)
# What else a server may say; BACK is a release that nobody waits for, PEEK also a copy's burial.
_REFUSED = rb"|NOT_FOUND|OUT_OF_MEMORY|INTERNAL_ERROR"
_MAY_BE = {
    Kind.NAME: rb"WATCHING \d+|NOT_IGNORED|USING .+",
    Kind.BACK: rb"RELEASED|BURIED" + _REFUSED,
    Kind.TAKE: rb"RESERVED .+|NOT_FOUND",
    Kind.STATS: rb"OK .+|NOT_FOUND",
    Kind.PEEK: rb"FOUND .+|BURIED" + _REFUSED,
    Kind.DELETE_COPY: rb"DELETED|NOT_FOUND",
    Kind.FIRST: rb"FOUND .+|NOT_FOUND",
}
_EMPTY = (b"TIMED_OUT", b"DEADLINE_SOON")


# Tells the runs of a job apart, which all have its number.
_arrivals = itertools.count(1)


class Flight:
    """Commands that go out together, for each link one write.

    The last `ahead[link]` of a link are polls whose answers need not be waited for.
    """

    def __init__(self) -> None:
        self.orders: dict[Link, tuple[list[bytes], list[Awaited]]] = {}
        self.ahead: dict[Link, int] = {}
        #: Whether jobs are asked for.
        self.reserves = False

    def add(self, link: Link, command: bytes, awaited: Awaited) -> None:
        """Append a command and what its reply is for."""
        orders = self.orders.get(link)
        if orders is None:
            orders = self.orders[link] = ([], [])
        orders[0].append(command)
        orders[1].append(awaited)

    def repeat(self, link: Link, command: bytes, awaited: Awaited, times: int) -> None:
        """Append a command several times."""
        if times > 0:
            self.add(link, command, awaited)
            orders, replies = self.orders[link]
            orders += [command] * (times - 1)
            replies += [awaited] * (times - 1)

    def count(self, link: Link) -> int:
        """Return how many commands go to a link."""
        return len(self.orders[link][0]) if link in self.orders else 0


class Switchboard:
    """All links of one adapter; one thread of one process.

    `running` are the jobs reserved here and not settled yet, `orphans` those of them whose link is
    lost, `doubts` those whose settlement was sent and not answered, `arrived` those that the
    caller has not got yet, `strangers` those that were taken for orphans. `answers` to settlements
    and `touched` are kept by job number until somebody asks for them.
    """

    def __init__(self, open_link: Callable[[], Link], clock: Clock) -> None:
        self._open_link = open_link
        self._clock = clock
        self.links: list[Link] = []
        self.running: dict[int, Job] = {}
        self.orphans: dict[int, Job] = {}
        self.arrived: deque[Job] = deque()
        self.answers: dict[int, bool | QueueError] = {}
        self.touched: dict[int, bool] = {}
        self._holder: dict[int, Link] = {}
        self.doubts: set[int] = set()
        self.strangers: list[tuple[Link, int]] = []
        # When connections have broken in the middle, and why the last one did.
        self._odd: deque[float] = deque(maxlen=_ODD_ENDS)
        self._why = ""
        #: Whether JSON may be among what has arrived, which says less of itself than our own jobs.
        self.has_json = False
        #: Polls that were answered with a job, and without one, since somebody asked.
        self.hits = self.misses = 0

    def holder(self, number: int) -> Link | None:
        """Return the link that holds a job."""
        return self._holder.get(number)

    def runs_anew(self, job: Job) -> bool:
        """Tell whether what runs here under a job's number is a later run than this one."""
        running = self.running.get(job.number)
        return running is not None and running.token != job.token

    @property
    def ahead(self) -> int:
        """How many polls were asked ahead and are not answered yet."""
        return sum(link.ahead for link in self.links)

    def land(self, *, but: int = 0) -> None:
        """Wait for the answers to what was asked ahead, `but` the last ones of each link."""
        for link in tuple(self.links):
            if link.ahead > but:
                self._read(link, PATIENCE, [], but)

    def ready_link(self) -> Link:
        """Return a link that takes commands now, the fullest first; opens one if there is none."""
        links = self.links
        if len(links) == 1 and not links[0].awaited and not links[0].waiting:
            return links[0]
        self.land()
        ready = [link for link in self.links if not link.waiting and not link.awaited]
        return max(ready, key=lambda link: len(link.held)) if ready else self.open()

    def open(self) -> Link:
        """Open one more link; raises `QueueUnavailableError`, also where too many have broken."""
        now = self._clock.monotonic()
        if len(self._odd) == _ODD_ENDS and now - self._odd[0] < _ODD_TIME:
            raise QueueUnavailableError(
                f"{_ODD_ENDS} connections within {_ODD_TIME:g}s have ended in the middle of a "
                f"reply, the last one because {self._why}"
            )
        link = self._open_link()
        self.links.append(link)
        return link

    def fly(self, flight: Flight, *, patience: float = PATIENCE) -> list[Reply]:
        """Send a flight and read its replies; return those that are not about who holds what."""
        self.start(flight)
        return self.end(flight, patience=patience)

    def start(self, flight: Flight) -> None:
        """Send a flight; a link that breaks on the way is dropped."""
        for link, (orders, awaited) in flight.orders.items():
            link.ahead = 0
            try:
                link.send(orders, awaited)
            except QueueError:
                link.awaited.extend(awaited)
                self.drop(link)

    def end(self, flight: Flight, *, patience: float = PATIENCE) -> list[Reply]:
        """Read the replies to a flight that was sent; return those not about who holds what.

        What was asked ahead is answered later. The replies of a dropped link are missing.
        """
        others: list[Reply] = []
        for link in flight.orders:
            self._read(link, patience, others, flight.ahead.get(link, 0))
        return others

    def receive(self, *links: Link) -> None:
        """Take in what links have to say now, without waiting; all of them where none is named."""
        for link in links or tuple(self.links):
            if link.awaited:
                self._read(link, 0.0, [])

    def drop(self, link: Link) -> None:
        """Close a link; its jobs become orphans, its open settlements doubts."""
        link.close()
        if link not in self.links:
            return
        self.links.remove(link)
        for awaited in link.awaited:
            if awaited.kind in _SETTLES:
                self.doubts.add(awaited.number)
        link.awaited.clear()
        for number, job in link.held.items():
            self.orphans[number] = job
            self._holder.pop(number, None)
        undelivered = {job.number for job in self.arrived} & link.held.keys()
        if undelivered:
            # Nobody has begun these: the server gives them to whoever asks next.
            self.arrived = deque(job for job in self.arrived if job.number not in undelivered)
            for number in undelivered:
                self.forget(number)

    def hold(self, link: Link, number: int, job: Job) -> None:
        """A job is held on a link from now on."""
        self.orphans.pop(number, None)
        self.doubts.discard(number)
        link.held[number] = job
        self._holder[number] = link

    def forget(self, number: int) -> None:
        """A job is no longer ours."""
        self.running.pop(number, None)
        self.orphans.pop(number, None)
        self.doubts.discard(number)
        link = self._holder.pop(number, None)
        if link is not None:
            link.held.pop(number, None)

    def ask(self, requests: list[tuple[bytes, Awaited]]) -> dict[int, Reply]:
        """Send commands that only look, on one link; return the replies by job number."""
        link, flight = self.ready_link(), Flight()
        for command, awaited in requests:
            flight.add(link, command, awaited)
        return {reply.awaited.number: reply for reply in self.fly(flight)}

    def close(self) -> None:
        """Close every link; the server gives back what they hold."""
        for link in self.links:
            link.close()
        self.links.clear()

    def _read(self, link: Link, patience: float, others: list[Reply], ahead: int = 0) -> None:
        """Read until only `ahead` replies are awaited, or nothing comes any more."""
        deadline = self._clock.monotonic() + patience
        replies: list[Reply] = []
        reply: Reply | None = None
        try:
            while len(link.awaited) > ahead and not link.broken:
                if len(link.awaited) == 1 and link.awaited[0].kind is Kind.WAIT and patience:
                    return
                left = deadline - self._clock.monotonic() if patience else 0.0
                replies, reply = [], None
                replies = link.receive(left)
                for reply in replies:
                    self._take_in(link, reply, others)
                if replies:
                    link.silent_since = None
                elif left <= 0:
                    link.ahead = 0 if patience else min(link.ahead, len(link.awaited))
                    if _is_dead(link, self._clock.monotonic()):
                        self.drop(link)
                    return
            link.ahead = len(link.awaited)
        except ProtocolError as error:
            _leave_open(link, replies, reply)
            self.drop(link)
            self._odd.append(self._clock.monotonic())
            self._why = str(error)

    def _take_in(self, link: Link, reply: Reply, others: list[Reply]) -> None:
        kind, number = reply.awaited
        if kind is Kind.RESERVE or kind is Kind.WAIT:
            _take_job(self, link, reply)
            return
        done = _DONE.get(kind)
        if done is None:
            if not _answers(reply):
                raise _odd(link, reply)
            if kind is Kind.TAKE and reply.data is not None and number in self.orphans:
                _retake(self, link, number, reply.data)
            others.append(reply)
        elif kind is Kind.TOUCH:
            _take_touch(self, link, reply, number)
        else:
            _take_answer(self, link, reply, done)


def _take_answer(board: Switchboard, link: Link, reply: Reply, done: bytes) -> None:
    line, number = reply.line, reply.awaited.number
    if line in (done, b"NOT_FOUND", b"BURIED"):
        # BURIED to a release: no memory, the server put the job aside.
        board.answers[number] = line != b"NOT_FOUND"
        board.forget(number)
    elif line in (b"OUT_OF_MEMORY", b"INTERNAL_ERROR"):
        board.answers[number] = QueueFullError(f"beanstalkd answered {line.decode()}")
    else:
        raise _odd(link, reply)


def _retake(board: Switchboard, link: Link, number: int, body: bytes) -> None:
    # Here and not where the reply is waited for: a link that breaks right after it must make an
    # orphan of the job again. The body holds the pulpo id: the same body is the same job.
    job = board.orphans[number]
    if body == job.body:
        board.hold(link, number, job)
    else:
        board.strangers.append((link, number))


def _take_job(board: Switchboard, link: Link, reply: Reply) -> None:
    found = reply.data is not None and reply.line.startswith(b"RESERVED ")
    if not found and reply.line not in _EMPTY:
        raise _odd(link, reply)
    if reply.awaited.kind is Kind.WAIT:
        link.waiting = False
    elif found:
        board.hits += 1
    else:
        board.misses += 1
    if found:
        _arrive(board, link, reply)


def _arrive(board: Switchboard, link: Link, reply: Reply) -> None:
    number, body = int(reply.line.split()[1]), reply.data or b""
    known = board.running.get(number)
    if known is not None and known.body == body:
        # Our own lease ran out and the server gave us the same job again: it was renewed by
        # that. A second run of it here would be one too many.
        previous = board.holder(number)
        if previous is not None and previous is not link:
            previous.held.pop(number, None)
    else:
        queue = link.watched[0] if len(link.watched) == 1 else None
        known = reserved(number, body, None, queue, None, None, None, next(_arrivals))
        board.running[number] = known
        board.arrived.append(known)
        board.has_json = board.has_json or body.startswith(b"{")
    board.hold(link, number, known)


def _take_touch(board: Switchboard, link: Link, reply: Reply, number: int) -> None:
    if reply.line == b"TOUCHED":
        board.touched[number] = True
    elif reply.line == b"NOT_FOUND":
        board.touched[number] = False
        board.forget(number)
    else:
        raise _odd(link, reply)


def _leave_open(link: Link, replies: list[Reply], odd: Reply | None) -> None:
    """Await again what was answered oddly, and all behind it: a delete may have been done."""
    if odd is not None:
        behind = replies[replies.index(odd) :]
        link.awaited.extendleft(reply.awaited for reply in reversed(behind))


def _answers(reply: Reply) -> bool:
    """Tell whether a reply can be one to what it must be for: of its kind, and for its job."""
    kind, number = reply.awaited
    if not re.fullmatch(_MAY_BE[kind], reply.line):
        return False
    named = kind in (Kind.TAKE, Kind.PEEK) and reply.data is not None
    return not named or int(reply.line.split()[1]) == number


def _odd(link: Link, reply: Reply) -> ProtocolError:
    with suppress(OSError):
        link.close()
    what = f"{reply.awaited.kind.name.lower()} was answered {reply.line[:64]!r}"
    return ProtocolError(f"{what}; the connection was closed")


def _is_dead(link: Link, now: float) -> bool:
    """Note that a link said nothing; tell whether that is so for too long."""
    if link.waiting:
        return False
    if link.silent_since is None:
        link.silent_since = now
    return now - link.silent_since > (SILENCE_WITH_JOBS if link.held else SILENCE)


def unavailable(number: int) -> QueueUnavailableError:
    """Return the error in the place of a settlement whose reply has not come."""
    return QueueUnavailableError(f"no answer from beanstalkd for job {number} yet")
