"""One connection to beanstalkd: commands go out, replies come back in the same order.

A link that has seen a cut reply, odd bytes or an exception in between is broken for good: its
replies could be shifted by one, and somebody else's job would be settled. Protocol rules are from
beanstalkd's doc/protocol.txt. A link knows no queue logic; who holds what is in `switchboard.py`.
"""

from __future__ import annotations

import os
import re
import select
import socket
import struct
from collections import deque
from collections.abc import Callable, Sequence
from enum import IntEnum
from functools import partial
from typing import NamedTuple

from pulpo.errors import ProtocolError, QueueError, QueueUnavailableError
from pulpo.job import Job
from pulpo.system import abandon_in_children

__all__ = ["Awaited", "Kind", "Link", "Reply"]

# How long one read or write may block, in the kernel: SO_RCVTIMEO costs nothing, while a timeout of
# Python's own costs a poll before each call.
_BLOCK = 1.0, 5.0
_LONGEST_LINE = 512
_CHUNK = 262_144
_TIMEVAL = struct.Struct("@ll")
_WITH_BODY = (b"RESERVED ", b"FOUND ", b"OK ")
# A server that is killed while it writes a job into its log comes back with zeros for what was not
# written, the line end included. To take that for odd bytes would be to close the connection, which
# makes the job ready, and to be given it again, for ever.
_ENDS = (b"\r\n", b"\0\0")
_announced = re.compile(rb"(?:OK|(?:RESERVED|FOUND) \d{1,19}) (\d{1,10})").fullmatch


class Kind(IntEnum):
    """What a reply is for."""

    RESERVE = 0
    WAIT = 1
    DELETE = 2
    RELEASE = 3
    BURY = 4
    TOUCH = 5
    PUT = 6
    TAKE = 7
    STATS = 8
    PEEK = 9
    NAME = 10
    DELETE_COPY = 11
    BACK = 12
    KICK = 13
    FIRST = 14


class Awaited(NamedTuple):
    """A reply that is still to come; `number` is the job it is for, or -1."""

    kind: Kind
    number: int = -1


class Reply(NamedTuple):
    """One reply: what it is for, its line without the line end, and its data if it has any."""

    awaited: Awaited
    line: bytes
    data: bytes | None


# What a call of the class does, in half of the time: there is one for each job.
_reply: Callable[[tuple[Awaited, bytes, bytes | None]], Reply] = partial(tuple.__new__, Reply)


class Link:
    """A connected socket with the bookkeeping that belongs to it; one thread of one process.

    `held` are the jobs that live and die with this socket. `waiting` is true while a blocking
    reserve is under way: the server reads no further command until that is answered, so such a
    link holds no job and gets none to settle.
    """

    def __init__(self, sock: socket.socket, *, max_body: int, beat: Callable[[], None]) -> None:
        self.sock = sock
        self.max_body = max_body
        self._beat = beat
        self.held: dict[int, Job] = {}
        self.awaited: deque[Awaited] = deque()
        self.waiting = False
        # How many of the last commands are polls asked ahead: nobody waits for their answers yet.
        self.ahead = 0
        self.watched: tuple[str, ...] = ("default",)
        self.used = "default"
        # The number of the last job that was put here: a server counts upwards.
        self.inserted = 0
        self.broken = False
        self.silent_since: float | None = None
        self._buffer = b""
        # Read into the same space each time: to allocate it anew costs more than a round trip.
        self._space = memoryview(bytearray(_CHUNK))
        self._poll = select.poll()
        self._poll.register(sock, select.POLLIN)
        # TLS has Python's timeouts: OpenSSL takes the kernel's for an error.
        self._tls = hasattr(sock, "pending")
        if not self._tls:
            sock.setblocking(True)
            for option, seconds in zip(
                (socket.SO_RCVTIMEO, socket.SO_SNDTIMEO), _BLOCK, strict=True
            ):
                sock.setsockopt(socket.SOL_SOCKET, option, _TIMEVAL.pack(int(seconds), 0))
        abandon_in_children(self)

    def fileno(self) -> int:
        """The socket's descriptor, -1 once it is closed."""
        return self.sock.fileno()

    @property
    def busy(self) -> bool:
        """Whether replies are still to come."""
        return bool(self.awaited)

    def send(self, commands: Sequence[bytes], awaited: Sequence[Awaited]) -> None:
        """Send commands in one write.

        Raises `QueueUnavailableError` when certainly nothing was sent, `ProtocolError` after which
        the link is closed and nobody knows how much of it arrived.
        """
        data = b"".join(commands) if len(commands) > 1 else commands[0]
        try:
            sent = self.sock.send(data)
        except OSError as error:
            self.close()
            raise QueueUnavailableError(f"the connection to beanstalkd is gone: {error}") from error
        try:
            if sent < len(data):
                self.sock.sendall(memoryview(data)[sent:])
        except BaseException as error:
            self.close()
            if isinstance(error, OSError):
                raise ProtocolError(f"the connection was cut while sending: {error}") from error
            raise
        self.awaited.extend(awaited)

    def receive(self, timeout: float) -> list[Reply]:
        """Return the replies that are complete, after waiting for bytes where there is a `timeout`.

        It waits up to a second or so: who has more patience calls again.

        Raises `ProtocolError`, with the link closed, at an end of file or at bytes that no reply
        begins with.
        """
        if timeout > 0:
            self._beat()
        replies: list[Reply] = []
        try:
            data = self._read(timeout)
            if data is not None:
                self._take_apart(data, replies)
        except BaseException as error:
            self._end_by(error, replies)
            raise
        return replies

    def receive_line(self, timeout: float) -> bytes | None:
        """Return the line that answers the one command awaited: `receive` for a single put.

        None where it has not come whole; then `receive` goes on.
        """
        self._beat()
        replies: list[Reply] = []
        try:
            data = self._read(timeout)
            if data is None:
                return None
            if (
                data.find(b"\r\n") == len(data) - 2 > 0
                and not self._buffer
                and not data.startswith(_WITH_BODY)
            ):
                self.awaited.clear()
                return data[:-2]
            self._take_apart(data, replies)
        except BaseException as error:
            self._end_by(error, replies)
            raise
        return replies[0].line if replies else None

    def is_stale(self) -> bool:
        """Tell whether the server has closed a link on which nothing is awaited."""
        return not self.awaited and bool(self._poll.poll(0))

    def close(self) -> None:
        """Close the socket: the server gives the held jobs back at once; twice is once."""
        self.broken = True
        self.sock.close()

    def abandon(self) -> None:
        """Close only this process's descriptor, in a forked child."""
        self.broken = True
        # Not sock.close(): for TLS that may say farewell on a connection that is the parent's.
        fd = self.sock.detach()
        if fd >= 0:
            os.close(fd)

    def _end_by(self, error: BaseException, replies: list[Reply]) -> None:
        """Close after an error, of a signal handler as well: nobody knows where a reply ends.

        Raises it as `ProtocolError` where it is none of pulpo's own.
        """
        # Nobody will read these: what they were for is as open as it was.
        self.awaited.extendleft(reply.awaited for reply in reversed(replies))
        self.close()
        if isinstance(error, Exception) and not isinstance(error, QueueError):
            raise ProtocolError(f"the connection to beanstalkd failed: {error}") from error

    def _take_apart(self, data: bytes, replies: list[Reply]) -> None:
        if not data:
            raise ProtocolError("beanstalkd closed the connection")
        self._buffer = self._buffer + data if self._buffer else data
        self._read_replies(replies)

    def _read(self, timeout: float) -> bytes | None:
        """Return what has come, b"" at the end of the file, None where nothing has."""
        if not self._tls:
            flags = 0 if timeout > 0 else socket.MSG_DONTWAIT
            try:
                size = self.sock.recv_into(self._space, 0, flags)
            except BlockingIOError:
                return None
            return bytes(self._space[:size])
        # TLS comes in records: what was decrypted already makes no socket readable.
        pending = self.sock.pending()  # type: ignore[attr-defined]
        ready = pending or self._poll.poll(max(timeout, 0) * 1000)
        return self.sock.recv(_CHUNK) if ready else None

    def _read_replies(self, replies: list[Reply]) -> None:
        buffer, start, awaited = self._buffer, 0, self.awaited
        while awaited:
            end = buffer.find(b"\r\n", start)
            if end < 0:
                if len(buffer) - start > _LONGEST_LINE:
                    raise ProtocolError(f"a reply without an end: {buffer[start : start + 64]!r}")
                break
            line, data = buffer[start:end], None
            following = end + 2
            if line.startswith(_WITH_BODY):
                stop = following + self._size(line)
                if len(buffer) < stop + 2:
                    break
                data, following = buffer[following:stop], stop + 2
                if buffer[stop:following] not in _ENDS:
                    if awaited[0].kind not in (Kind.PEEK, Kind.FIRST):
                        raise ProtocolError(f"data of another size than announced: {line!r}")
                    # The server shows a job as soon as its put has begun, and with it whatever is
                    # in its memory where the rest of the body will be. Not there yet, then.
                    line, data = b"NOT_FOUND", None
            replies.append(_reply((awaited.popleft(), line, data)))
            start = following
        self._buffer = buffer[start:]
        if self._buffer and not awaited:
            raise ProtocolError(f"a reply to no command: {self._buffer[:64]!r}")

    def _size(self, line: bytes) -> int:
        found = _announced(line)
        # A list of all tubes or a stats text may be longer than the longest job.
        most = max(self.max_body, 16_777_216) if line[:3] == b"OK " else self.max_body
        size = int(found[1]) if found is not None else -1
        if not 0 <= size <= most:
            raise ProtocolError(f"an impossible size: {line[:64]!r}")
        return size
