"""A minimal pipelining beanstalkd client on a raw socket; knows only put, reserve and delete.

It trusts the server: an odd answer ends the benchmark, which is all that a benchmark needs.
"""

from __future__ import annotations

import socket
from collections.abc import Sequence

__all__ = ["RawClient", "Reserved"]

Reserved = tuple[bytes, bytes]  # the job's number and its body


class RawClient:
    """One connection; requests are written in one go, replies are parsed from one buffer."""

    def __init__(self, port: int) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port))
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._buffer = b""

    def send(self, data: bytes) -> None:
        self._socket.sendall(data)

    def lines(self, count: int, expected: bytes) -> None:
        """Read so many one-line replies, which must all start with `expected`."""
        parts = self._buffer.split(b"\r\n")
        while len(parts) <= count:
            parts[-1:] = (parts[-1] + self._receive()).split(b"\r\n")
        self._buffer = b"\r\n".join(parts[count:])
        for line in parts[:count]:
            if not line.startswith(expected):
                raise RuntimeError(f"beanstalkd answered {line!r} instead of {expected!r}")

    def reserved(self) -> tuple[list[Reserved], int]:
        """Wait for replies; return the jobs among those that are complete, and how many others."""
        while True:
            jobs, others = self._parse()
            if jobs or others:
                return jobs, others
            self._buffer += self._receive()

    def reserved_of(self, replies: int) -> list[Reserved]:
        """Wait for so many replies; return the jobs among them."""
        found: list[Reserved] = []
        while replies:
            jobs, others = self.reserved()
            found += jobs
            replies -= len(jobs) + others
        return found

    def put(self, bodies: Sequence[bytes], delay: int = 0) -> None:
        """Put bodies in one flight and read all the answers."""
        head = b"put 65536 %d 60 " % delay
        self.send(b"".join([b"%s%d\r\n%s\r\n" % (head, len(b), b) for b in bodies]))
        self.lines(len(bodies), b"INSERTED ")

    def close(self) -> None:
        self._socket.close()

    def _parse(self) -> tuple[list[Reserved], int]:
        buffer, position = self._buffer, 0
        jobs: list[Reserved] = []
        others = 0
        while (end := buffer.find(b"\r\n", position)) >= 0:
            if buffer.startswith(b"RESERVED ", position):
                _, number, size = buffer[position:end].split(b" ")
                stop = end + 2 + int(size)
                if len(buffer) < stop + 2:
                    break
                jobs.append((number, buffer[end + 2 : stop]))
                position = stop + 2
            else:
                others += 1
                position = end + 2
        self._buffer = buffer[position:]
        return jobs, others

    def _receive(self) -> bytes:
        data = self._socket.recv(262_144)
        if not data:
            raise EOFError("beanstalkd closed the connection")
        return data
