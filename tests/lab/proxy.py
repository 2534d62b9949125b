"""Something between a client and a server on the loopback: it speaks TLS, or it cuts the line.

Knows bytes only.
"""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
from collections.abc import Callable

from tests.lab.background import Background

__all__ = ["Proxy"]

_LOOK = 0.002


class Proxy(Background):
    """Listens on a free port and passes everything on to a server; a context manager.

    With a `context` its clients speak TLS, as in front of stunnel. `lifetime` says for each
    connection after how many bytes, of both ways together, it is cut; in the middle of whatever
    that is. `accepted` counts connections, handshakes that failed apart.
    """

    def __init__(
        self,
        host: str,
        port: int,
        *,
        context: ssl.SSLContext | None = None,
        lifetime: Callable[[], float] = lambda: float("inf"),
    ) -> None:
        super().__init__()
        self._target = (host, port)
        self._context = context
        self._lifetime = lifetime
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        self.accepted = 0
        self._lines: list[_Line] = []

    def _work(self) -> None:
        while True:
            try:
                outer, _ = self._listener.accept()
            except OSError:
                self._end_lines()
                return
            outer.settimeout(5)
            try:
                if self._context is not None:
                    outer = self._context.wrap_socket(outer, server_side=True)
                inner = socket.create_connection(self._target)
            except OSError:  # a client that does not trust us, or no server
                outer.close()
                continue
            self.accepted += 1
            line = _Line(outer, inner, self._lifetime())
            self._lines.append(line)
            line.thread.start()

    def _end(self) -> None:
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _end_lines(self) -> None:
        for line in self._lines:
            line.over.set()
        for line in self._lines:
            line.thread.join(5)


class _Line:
    """One connection: both ways in one thread, since an SSLSocket does not bear two."""

    def __init__(self, outer: socket.socket, inner: socket.socket, lifetime: float) -> None:
        self._outer, self._inner = outer, inner
        self._left = lifetime
        self.over = threading.Event()
        self.thread = threading.Thread(target=self._pass_on)

    def _pass_on(self) -> None:
        ways = ((self._outer, self._inner), (self._inner, self._outer))
        with self._outer, self._inner, contextlib.suppress(OSError):
            while not self.over.is_set():
                for source, sink in ways:
                    source.settimeout(_LOOK)  # TLS may hold data that no selector tells of
                    try:
                        data = source.recv(65_536)
                    except TimeoutError:
                        continue
                    if not data:
                        return
                    sink.settimeout(5)
                    if len(data) >= self._left:
                        sink.sendall(data[: int(self._left)])
                        return
                    sink.sendall(data)
                    self._left -= len(data)
