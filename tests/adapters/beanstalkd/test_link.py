"""One line to beanstalkd: replies are read whole, in order, or the line is closed for good."""

from __future__ import annotations

import contextlib
import itertools
import socket
import struct
import time
import tracemalloc
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pulpo.adapters.beanstalkd.link import Awaited, Kind, Link
from pulpo.errors import ProtocolError, QueueUnavailableError

REPLIES = b"RESERVED 7 4\r\n\r\n\r\n\r\nDELETED\r\nOK 3\r\nabc\r\nNOT_FOUND\r\nFOUND 2 0\r\n\r\n"
KINDS = (Kind.RESERVE, Kind.DELETE, Kind.STATS, Kind.TOUCH, Kind.PEEK)


@contextlib.contextmanager
def line(*kinds: Kind, max_body: int = 65_535) -> Iterator[tuple[Link, socket.socket]]:
    """Give a link on which these replies are awaited, and the server's end of it."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        link = Link(ours, max_body=max_body, beat=lambda: None)
        link.awaited.extend(Awaited(kind, number) for number, kind in enumerate(kinds))
        yield link, theirs


@given(st.lists(st.integers(0, len(REPLIES)), max_size=8))
def test_replies_are_the_same_however_their_bytes_arrive(cuts: list[int]) -> None:
    found = []
    with line(*KINDS) as (link, server):
        places = [0, *sorted(cuts), len(REPLIES)]
        for start, end in itertools.pairwise(places):
            server.sendall(REPLIES[start:end])
            found += link.receive(0)

        assert [(reply.awaited.number, reply.line, reply.data) for reply in found] == [
            (0, b"RESERVED 7 4", b"\r\n\r\n"),
            (1, b"DELETED", None),
            (2, b"OK 3", b"abc"),
            (3, b"NOT_FOUND", None),
            (4, b"FOUND 2 0", b""),
        ]
        assert (link.broken, link.busy) == (False, False)


def test_a_job_that_a_killed_server_has_written_in_part_is_one_with_zeros_at_its_end() -> None:
    with line(Kind.RESERVE, Kind.PEEK, Kind.DELETE) as (link, server):
        server.sendall(b"RESERVED 7 4\r\nab\0\0\0\0FOUND 7 4\r\nab\0\0\0\0DELETED\r\n")

        assert [reply.data for reply in link.receive(0)] == [b"ab\0\0", b"ab\0\0", None]
        assert not link.broken


@pytest.mark.parametrize(
    "said",
    [
        b"RESERVED 7 65536\r\n",
        b"RESERVED 7 1000000000000\r\n",
        b"RESERVED 7 99999999999999999999999999\r\n",
        b"RESERVED 7 -1\r\n",
        b"RESERVED 7 x\r\n",
        b"RESERVED 7 \r\n",
        "RESERVED 7 \u00b2\r\n".encode(),
        b"FOUND 7 99999999\r\n",
        b"OK 16777217\r\n",
    ],
)
def test_a_size_that_cannot_be_is_not_waited_for_and_takes_no_memory(said: bytes) -> None:
    with line(Kind.RESERVE) as (link, server):
        server.sendall(said)
        tracemalloc.start()
        try:
            with pytest.raises(ProtocolError):
                link.receive(0)
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

        assert peak < 1_000_000
        _is_closed(link, server)


@pytest.mark.parametrize(
    "said",
    [
        b"RESERVED 7 3\r\nabcde",
        b"RESERVED 7 3\r\nabc\n\n",
        b"RESERVED 7 3\r\nabcDELETED\r\n",
        b"OK 0\r\nxx",
        b"x" * 600,
        b"DELETED\r\nDELETED\r\n",
        b"DELETED\r\n\r\n",
        b"DELETED\r\nx",
    ],
)
def test_bytes_that_are_no_reply_end_the_line(said: bytes) -> None:
    with line(Kind.DELETE) as (link, server):
        server.sendall(said)

        with pytest.raises(ProtocolError):
            link.receive(0)

        _is_closed(link, server)


def test_the_end_of_the_file_ends_the_line() -> None:
    with line(Kind.DELETE) as (link, server):
        server.shutdown(socket.SHUT_WR)

        with pytest.raises(ProtocolError, match="closed the connection"):
            link.receive(0)

        _is_closed(link, server)


def test_half_a_reply_is_waited_for() -> None:
    with line(Kind.RESERVE) as (link, server):
        server.sendall(b"RESERVED 7 3\r\nab")
        assert link.receive(0) == []
        assert not link.broken

        server.sendall(b"c\r\n")

        (reply,) = link.receive(1)
        assert reply.data == b"abc"


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit, MemoryError, ValueError])
def test_an_exception_in_the_middle_ends_the_line(
    error: type[BaseException], monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: object) -> bytes:
        raise error("in the middle of a read")

    with line(Kind.DELETE) as (link, server):
        monkeypatch.setattr(link, "_read", interrupted)

        with pytest.raises((ProtocolError, error)):
            link.receive(0)

        # Nobody knows what was read: the next reply could be another command's.
        _is_closed(link, server)


def test_half_a_command_ends_the_line() -> None:
    with line() as (link, server):
        link.sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, _seconds(0.05))

        with pytest.raises(ProtocolError, match="while sending"):
            link.send([b"x" * 50_000_000], [Awaited(Kind.PUT)])

        _is_closed(link, server)


def test_what_goes_to_nobody_was_not_sent() -> None:
    with line() as (link, server):
        server.close()

        with pytest.raises(QueueUnavailableError):
            link.send([b"delete 1\r\n"], [Awaited(Kind.DELETE, 1)])

        assert link.broken


def _seconds(seconds: float) -> bytes:
    whole = int(seconds)
    micro = int((seconds - whole) * 1_000_000)
    return struct.pack("@ll", whole, micro)


def _is_closed(link: Link, server: socket.socket) -> None:
    assert link.broken
    assert link.fileno() == -1
    server.settimeout(5)
    deadline = time.monotonic() + 5
    with contextlib.suppress(ConnectionResetError):
        while server.recv(1_000_000):
            assert time.monotonic() < deadline, "the server still waits for more"
