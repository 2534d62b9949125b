"""One call of the beanstalkd engine against a server that says anything at all.

What must hold: only documented errors come out of it, it allocates little, and a connection on
which something was said that no server says is closed at once.
"""

from __future__ import annotations

import contextlib
import socket
import tracemalloc
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from hypothesis import strategies as st

from pulpo.adapters.beanstalkd import BeanstalkdEngine
from pulpo.adapters.beanstalkd.adapter import BeanstalkdAdapter
from pulpo.adapters.beanstalkd.admin import BeanstalkdAdmin
from pulpo.adapters.beanstalkd.link import Link
from pulpo.clock import SystemClock
from pulpo.errors import QueueError, QueueUnavailableError, UnsupportedError
from pulpo.job import (
    Act,
    Change,
    Job,
    JobState,
    ListedJob,
    NewJob,
    Settlement,
    Sighting,
    Verb,
)
from pulpo.queue_url import QueueURL
from tests.lab.wire import Commands, Replies, is_legal

__all__ = ["CALLS", "REPLIES", "FuzzedCall", "call"]

_CLOCK = SystemClock()
# Two connections: the one that hears it, and another after it.
_MOST_LINKS = 2
_MOST_BYTES = 1_000_000
_NEW = NewJob(id="new", type="t", queue="default", body=b"new")
_ELSEWHERE = NewJob(id="elsewhere", type="t", queue="q", body=b"elsewhere")
_FIRST = b"RESERVED 7 3\r\nold\r\n"
_JOB = Job(number=7, body=b"old", queue="default")
_LISTED = ListedJob(id="7", number=7, queue="q", state=JobState.READY, body=b"old", priority=65_536)
_SEEN = Sighting("7", 7, "default")

_WORDS = (
    *(b"INSERTED", b"RESERVED", b"DELETED", b"RELEASED", b"BURIED", b"TOUCHED", b"NOT_FOUND"),
    *(b"OK", b"FOUND", b"USING", b"WATCHING", b"NOT_IGNORED", b"TIMED_OUT", b"DEADLINE_SOON"),
    *(b"OUT_OF_MEMORY", b"INTERNAL_ERROR", b"DRAINING", b"JOB_TOO_BIG", b"BAD_FORMAT"),
    *(b"UNKNOWN_COMMAND", b"EXPECTED_CRLF", b"KICKED", b"PAUSED"),
)
_NUMBERS = (
    *(
        b"0",
        b"1",
        b"3",
        b"7",
        b"-1",
        b"+7",
        b"0x7",
        b"1e3",
        b"7.0",
        b"007",
        b"\xb2",
        b"",
        b"default",
    ),
    *(b"65535", b"65536", b"4294967296", b"18446744073709551616", b"1000000000000", b"9" * 30),
    b"9" * 5_000,
)
_GLUE = (b" ", b"\r\n", b"\n", b"\r", b"  ", b"\0", b"\t")
_STATS = (
    b"---\ntotal-jobs: 9\ncurrent-jobs-ready: 1\ncurrent-jobs-delayed: 0\n"
    b"current-jobs-reserved: 0\ncurrent-jobs-buried: 1\npause-time-left: 0\n",
    b"---\ntotal-jobs: x\ncurrent-jobs-ready: -1\npause-time-left: soon\n",
    b"---\n- default\n- q\n",
    b"---\nid: 7\ntube: q\nstate: ready\npri: 0\nttr: 60\ntime-left: 0\n",
    b"---\nid: 7\ntube: q\nstate: odd\npri: 0\nttr: 60\n",
    b"---\npri: x\n",
    b"---\npri: -1\nttr: 0\n",
    b"---\npri: 99999999999\nreserves: many\n",
    b"---\nreserves: 3\nreleases: 1\nburies: 0\nkicks: 0\npri: 5\n",
    b'---\nversion: "1.13"\nmax-job-size: none\n',
    b"---\nversion: 1.12\nmax-job-size: 65535\n",
    b"---\nversion: 1.3\n",
    b"",
)
_WHOLE = (
    *(b"INSERTED 8\r\n", b"INSERTED 9\r\n", b"BURIED 8\r\n", b"BURIED\r\n", b"RELEASED\r\n"),
    *(b"DELETED\r\n", b"NOT_FOUND\r\n", b"TOUCHED\r\n", b"TIMED_OUT\r\n", b"USING q\r\n"),
    *(b"WATCHING 1\r\n", b"WATCHING 2\r\n", b"OUT_OF_MEMORY\r\n", b"DRAINING\r\n"),
    *(b"RESERVED 7 3\r\nold\r\n", b"RESERVED 9 2\r\n{}\r\n", b"FOUND 7 3\r\nold\r\n"),
    *(b"OK %d\r\n%b\r\n" % (len(data), data) for data in _STATS),
)
_PIECES = st.sampled_from([*_WORDS, *_NUMBERS, *_GLUE, *_GLUE, *_WHOLE])
REPLIES = st.one_of(
    st.binary(max_size=100),
    st.lists(_PIECES, max_size=8).map(b"".join),
    st.tuples(st.lists(st.sampled_from(_WHOLE), max_size=4), st.binary(max_size=8)).map(
        lambda parts: b"".join(parts[0]) + parts[1]
    ),
    st.tuples(st.sampled_from(_WORDS), st.sampled_from(_NUMBERS), st.sampled_from(_NUMBERS)).map(
        lambda words: b" ".join(words) + b"\r\n"
    ),
)


@dataclass(frozen=True, slots=True)
class FuzzedCall:
    """What is called while a reply is on its way; `reserved`: with a job in hand.

    `reads`: whether all that is asked is answered within the call. `operator`: at the other door.
    """

    name: str
    make: Callable[[Any], object]
    reserved: bool = False
    reads: bool = True
    operator: bool = False


def _settle(verb: Verb, *, then: tuple[NewJob, ...] = ()) -> Callable[[BeanstalkdAdapter], object]:
    rewritten = _NEW if verb in (Verb.REPLACE, Verb.BURY) else None
    settlement = Settlement(verb, _JOB, rewritten=rewritten, then=then)
    return lambda adapter: adapter.exchange([settlement], ["default"], limit=2, timeout=0)


CALLS = [
    FuzzedCall("put", lambda adapter: adapter.put([_NEW])),
    FuzzedCall("put elsewhere", lambda adapter: adapter.put([_NEW, _ELSEWHERE])),
    FuzzedCall("reserve", lambda a: a.exchange([], ["default"], limit=2, timeout=0)),
    FuzzedCall("watch", lambda a: a.exchange([], ["q", "r"], limit=2, timeout=0)),
    FuzzedCall("wait", lambda a: a.exchange([], ["default"], limit=2, timeout=0.001), reads=False),
    FuzzedCall("delete", _settle(Verb.DELETE), reserved=True),
    FuzzedCall("release", _settle(Verb.RELEASE), reserved=True),
    FuzzedCall("replace", _settle(Verb.REPLACE), reserved=True),
    FuzzedCall("bury", _settle(Verb.BURY), reserved=True),
    FuzzedCall("then", _settle(Verb.DELETE, then=(_ELSEWHERE,)), reserved=True),
    FuzzedCall("touch", lambda adapter: adapter.touch([_JOB]), reserved=True),
    FuzzedCall("crashes", lambda adapter: adapter.crashes([_JOB]), reserved=True),
    FuzzedCall("leave", lambda adapter: adapter.leave([_JOB]), reserved=True, reads=False),
    FuzzedCall("close", lambda adapter: adapter.close(), reserved=True),
    FuzzedCall("hello", lambda adapter: adapter.capabilities),
    FuzzedCall("queues", lambda admin: admin.queues(), operator=True),
    FuzzedCall("stats", lambda admin: admin.stats("q"), operator=True),
    FuzzedCall("list", lambda admin: admin.list("q"), operator=True),
    FuzzedCall("list all", lambda admin: admin.list(), operator=True),
    FuzzedCall("peek", lambda admin: admin.peek(["7", "id"]), operator=True),
    FuzzedCall("sample", lambda admin: list(admin.sample()), operator=True),
    FuzzedCall("ahead", lambda admin: admin.ahead(_LISTED), operator=True),
    FuzzedCall("kick", lambda admin: admin.kick(["7"]), operator=True),
    FuzzedCall("kick all", lambda admin: admin.kick_all("q"), operator=True),
    FuzzedCall("delete job", lambda admin: admin.delete(["7"]), operator=True),
    FuzzedCall("edit", lambda admin: admin.edit("7", _NEW), operator=True),
    FuzzedCall("walk", lambda admin: list(admin.walk()), operator=True),
    FuzzedCall("walk q", lambda a: list(a.walk("q", JobState.BURIED, bodies=False)), operator=True),
    FuzzedCall("newest", lambda admin: admin.newest(10), operator=True),
    FuzzedCall("look", lambda admin: admin.look([_SEEN]), operator=True),
    FuzzedCall("kick seen", lambda a: a.change([Change(Act.KICK, _SEEN)]), operator=True),
    FuzzedCall("delete seen", lambda a: a.change([Change(Act.DELETE, _SEEN)]), operator=True),
    FuzzedCall("move", lambda a: a.change([Change(Act.REPLACE, _SEEN, _NEW)]), operator=True),
    FuzzedCall("bury seen", lambda a: a.change([Change(Act.BURY, _SEEN, _NEW)]), operator=True),
    FuzzedCall("pause", lambda admin: admin.pause("q"), operator=True),
    FuzzedCall("resume", lambda admin: admin.resume("q"), operator=True),
]


class _Liar:
    """A server whose every connection says the same, and then ends."""

    def __init__(self, says: bytes, *, hello: bool) -> None:
        self._says = says
        self._hello = hello
        self.ends: list[socket.socket] = []
        self._engine = BeanstalkdEngine(QueueURL.parse("beanstalkd://liar"), clock=_CLOCK)
        self._engine._address = self  # type: ignore[assignment]
        self.shown = "beanstalkd://liar"

    def connect(self, *, reply_timeout: float) -> socket.socket:
        """Stand for an address."""
        del reply_timeout
        if len(self.ends) >= _MOST_LINKS:
            raise QueueUnavailableError("nobody listens any more")
        ours, theirs = socket.socketpair()
        self.ends.append(theirs)
        if self._hello or len(self.ends) > 1:
            self.speak(theirs)
        return ours

    def open_link(self) -> Link:
        """Open a link, after a hello where that is what is asked for."""
        if self._hello:
            return self._engine._open_link()
        return Link(self.connect(reply_timeout=1), max_body=65_535, beat=lambda: None)

    def speak(self, end: socket.socket) -> None:
        """Say it, and no more."""
        end.sendall(self._says)
        end.shutdown(socket.SHUT_WR)


def call(fuzzed: FuzzedCall, says: bytes, *, measure: bool) -> str:
    """Make one call; return what was wrong, "" where nothing was."""
    if measure:
        tracemalloc.start()
    try:
        wrong = _call(fuzzed, says)
        if measure and not wrong:
            _, most = tracemalloc.get_traced_memory()
            if most > _MOST_BYTES:
                return f"{most} bytes were allocated"
        return wrong
    finally:
        if measure:
            tracemalloc.stop()


def _call(fuzzed: FuzzedCall, says: bytes) -> str:
    return _ask_as_operator(fuzzed, says) if fuzzed.operator else _ask_as_worker(fuzzed, says)


def _ask_as_operator(fuzzed: FuzzedCall, says: bytes) -> str:
    liar = _Liar(says, hello=True)
    admin = BeanstalkdAdmin(liar.open_link, liar, _CLOCK)  # type: ignore[arg-type]
    try:
        return _outcome(fuzzed, admin)
    finally:
        admin.close()
        for end in liar.ends:
            end.close()


def _ask_as_worker(fuzzed: FuzzedCall, says: bytes) -> str:
    liar = _Liar(says, hello=fuzzed.name == "hello")
    adapter = BeanstalkdAdapter(liar.open_link, _CLOCK, reply_timeout=2.0)
    try:
        if not liar._hello:
            link = adapter._board.open()
            if fuzzed.reserved:
                liar.ends[0].sendall(_FIRST)
                adapter.exchange([], ["default"], limit=1, timeout=0)
                liar.ends[0].recv(65_536)
            liar.speak(liar.ends[0])
            assert not link.broken
        wrong = _outcome(fuzzed, adapter)
        if not wrong and fuzzed.reads and fuzzed.name != "close":
            wrong = _kept(liar, says)
        return wrong
    finally:
        with contextlib.suppress(QueueError):
            adapter.close()
        for end in liar.ends:
            end.close()


def _outcome(fuzzed: FuzzedCall, door: object) -> str:
    try:
        found = fuzzed.make(door)
    except QueueError:
        return ""
    except UnsupportedError:  # too old, or a queue that cannot be paused
        return "" if fuzzed.name == "hello" or fuzzed.operator else "UnsupportedError"
    except Exception as error:
        return f"{error!r} came out of it"
    if fuzzed.operator:
        return ""
    answers = found[0] if isinstance(found, tuple) else found
    odd = [
        each
        for each in (answers if isinstance(answers, list) else [])
        if not isinstance(each, bool | int | str | QueueError)
    ]
    return f"{odd} was the answer" if odd else ""


def _kept(liar: _Liar, says: bytes) -> str:
    """Return which connection was kept though something was said that no server says."""
    for number, end in enumerate(liar.ends):
        asked, closed = _heard(end)
        replies = Replies()
        whole = replies.feed(says)
        legal = len(whole) == len(asked) and not replies.rest
        legal = legal and all(map(is_legal, asked, whole))
        if asked and not legal and not closed:
            return f"connection {number} was kept: {asked} was answered {says[:100]!r}"
    return ""


def _heard(end: socket.socket) -> tuple[list[bytes], bool]:
    end.setblocking(False)
    commands: list[bytes] = []
    parser = Commands()
    while True:
        try:
            data = end.recv(65_536)
        except BlockingIOError:
            return commands, False
        except ConnectionResetError:
            return commands, True
        if not data:
            return commands, True
        commands += parser.feed(data)
