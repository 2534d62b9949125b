"""A client that speaks to beanstalkd in plain words, as any may; knows nothing of pulpo."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import BinaryIO

from tests.lab.beanstalkd import Beanstalkd


class Speaker:
    def __init__(self, sock: socket.socket, replies: BinaryIO) -> None:
        self._sock = sock
        self._replies = replies

    def say(self, command: str) -> str:
        """Send one command; return the first line of its reply."""
        self._sock.sendall(command.encode() + b"\r\n")
        line = self._replies.readline().decode().strip()
        if line.startswith(("OK ", "FOUND ", "RESERVED ")):
            self.data = self._replies.read(int(line.split()[-1]) + 2).decode()
        return line

    def stats(self) -> dict[str, str]:
        self.say("stats")
        return dict(pair.split(": ", 1) for pair in self.data.splitlines() if ": " in pair)

    def tubes(self) -> list[str]:
        self.say("list-tubes")
        return [line[2:] for line in self.data.splitlines() if line.startswith("- ")]


@contextmanager
def talking(server: Beanstalkd) -> Iterator[Speaker]:
    """Connect to a server."""
    with (
        socket.create_connection(("127.0.0.1", server.port), 10) as sock,
        sock.makefile("rb") as replies,
    ):
        yield Speaker(sock, replies)
