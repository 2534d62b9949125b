"""beanstalkd's two streams taken apart: the commands of a client, the replies of a server.

Knows the protocol as doc/protocol.txt of beanstalkd tells it, and nothing of pulpo's client, whose
reading it shall judge.
"""

from __future__ import annotations

import re

__all__ = ["Commands", "Replies", "is_legal", "pulpo_id"]

_WITH_DATA = (b"RESERVED ", b"FOUND ", b"OK ")
_N = rb"\d{1,19}"
_LEGAL: dict[bytes, bytes] = {
    b"put": rb"INSERTED %b|BURIED %b|OUT_OF_MEMORY|DRAINING|JOB_TOO_BIG|INTERNAL_ERROR" % (_N, _N),
    b"reserve-with-timeout": rb"RESERVED %b %b|TIMED_OUT|DEADLINE_SOON" % (_N, _N),
    b"reserve-job": rb"RESERVED %b %b|NOT_FOUND" % (_N, _N),
    b"delete": rb"DELETED|NOT_FOUND",
    b"release": rb"RELEASED|BURIED|NOT_FOUND|OUT_OF_MEMORY|INTERNAL_ERROR",
    b"bury": rb"BURIED|NOT_FOUND|OUT_OF_MEMORY|INTERNAL_ERROR",
    b"touch": rb"TOUCHED|NOT_FOUND",
    b"peek": rb"FOUND %b %b|NOT_FOUND" % (_N, _N),
    b"stats-job": rb"OK %b|NOT_FOUND" % _N,
    b"stats": rb"OK %b" % _N,
    b"use": rb"USING [!-~]+",
    b"watch": rb"WATCHING %b" % _N,
    b"ignore": rb"WATCHING %b|NOT_IGNORED" % _N,
}
_ID = re.compile(rb"\xa2id\xd9\x24([0-9a-f-]{36})")


class Commands:
    """Takes the bytes of a client; gives whole commands, each with its data."""

    def __init__(self) -> None:
        self._buffer = b""

    def feed(self, data: bytes) -> list[bytes]:
        """Return the commands that these bytes make whole."""
        self._buffer += data
        found = []
        while (end := self._buffer.find(b"\r\n")) >= 0:
            stop = end + 2
            words = self._buffer[:end].split()
            if words and words[0] == b"put":
                stop += int(words[4]) + 2
            if len(self._buffer) < stop:
                break
            found.append(self._buffer[:stop])
            self._buffer = self._buffer[stop:]
        return found


class Replies:
    """Takes the bytes of a server; gives whole replies, each with its data."""

    def __init__(self) -> None:
        self._buffer = b""

    def feed(self, data: bytes) -> list[bytes]:
        """Return the replies that these bytes make whole."""
        self._buffer += data
        found = []
        while (end := self._buffer.find(b"\r\n")) >= 0:
            stop = end + 2
            if self._buffer.startswith(_WITH_DATA):
                size = self._buffer[:end].split()[-1]
                if not size.isdigit() or len(size) > 19:  # nobody knows where this ends
                    break
                stop += int(size) + 2
            if len(self._buffer) < stop or self._buffer[stop - 2 : stop] != b"\r\n":
                break
            found.append(self._buffer[:stop])
            self._buffer = self._buffer[stop:]
        return found

    @property
    def rest(self) -> bytes:
        """What is no whole reply yet, or none at all."""
        return self._buffer


def is_legal(command: bytes, reply: bytes) -> bool:
    """Tell whether a server can ever give this reply to this command."""
    pattern = _LEGAL[command.split(maxsplit=1)[0]]
    return re.fullmatch(pattern, reply.partition(b"\r\n")[0]) is not None


def pulpo_id(data: bytes) -> str:
    """Return the id of the job in a put or a reply, "" where there is none."""
    found = _ID.search(data)
    return found[1].decode() if found else ""
