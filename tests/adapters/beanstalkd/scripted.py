"""A server that says what a test wants: beanstalkd's protocol, and answers to order.

Knows where a command ends, and nothing of queues.
"""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable
from typing import BinaryIO

from tests.lab.background import Background

__all__ = ["ScriptedServer"]

# To a connection's number, counted from 0, and a command with its body: the bytes of the answer, or
# none at all to hang up.
Answer = Callable[[int, bytes], bytes]

_STATS = b"version: 1.12\nmax-job-size: 65535\n"
_PATIENCE = 30.0


class ScriptedServer(Background):
    """Listens on a free port of the loopback; a context manager.

    `stats`, with which a connection begins, it answers by itself. `commands` is what has come
    beside that, with the connection's number, `closed` the connections that their client has left.
    """

    def __init__(self, answer: Answer) -> None:
        super().__init__()
        self._answer = answer
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"beanstalkd://127.0.0.1:{self._listener.getsockname()[1]}"
        self.commands: list[tuple[int, bytes]] = []
        self.closed: list[int] = []
        self._lines: list[tuple[socket.socket, threading.Thread]] = []

    def _work(self) -> None:
        while True:
            try:
                sock, _ = self._listener.accept()
            except OSError:
                self._end_lines()
                return
            sock.settimeout(_PATIENCE)
            thread = threading.Thread(target=self._serve, args=(len(self._lines), sock))
            self._lines.append((sock, thread))
            thread.start()

    def _serve(self, number: int, sock: socket.socket) -> None:
        with sock, sock.makefile("rb") as stream:
            try:
                while (line := stream.readline()) and self._take(number, sock, stream, line):
                    pass
            except TimeoutError:
                return  # the client is still there, and says nothing
            except OSError:
                pass
            self.closed.append(number)

    def _take(self, number: int, sock: socket.socket, stream: BinaryIO, line: bytes) -> bool:
        if line == b"stats\r\n":
            sock.sendall(b"OK %d\r\n%b\r\n" % (len(_STATS), _STATS))
            return True
        body = stream.read(int(line.split()[4]) + 2) if line.startswith(b"put ") else b""
        self.commands.append((number, line + body))
        answer = self._answer(number, line + body)
        sock.sendall(answer)
        return bool(answer)

    def _end(self) -> None:
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _end_lines(self) -> None:
        for sock, thread in self._lines:
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)
            thread.join(_PATIENCE)
