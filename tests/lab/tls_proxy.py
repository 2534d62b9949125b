"""A TLS end in front of a plain TCP server, as stunnel is one; for tests on the loopback.

Knows bytes only.
"""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
from types import TracebackType

__all__ = ["TLSProxy"]


class TLSProxy:
    """Listens with TLS on a free port, and passes everything on in plain; a context manager.

    `accepted` counts the handshakes that succeeded.
    """

    def __init__(self, context: ssl.SSLContext, host: str, port: int) -> None:
        self._context = context
        self._target = (host, port)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        self.accepted = 0
        self._ends: list[socket.socket] = []
        self._threads = [threading.Thread(target=self._serve)]

    def _serve(self) -> None:
        while True:
            try:
                raw, _ = self._listener.accept()
            except OSError:
                return
            raw.settimeout(5)
            try:
                outer = self._context.wrap_socket(raw, server_side=True)
            except OSError:  # a client that does not trust us
                raw.close()
                continue
            inner = socket.create_connection(self._target)
            self.accepted += 1
            self._ends += [outer, inner]
            self._start(outer, inner)

    def _start(self, outer: ssl.SSLSocket, inner: socket.socket) -> None:
        # One thread for both ways: an SSLSocket does not bear two.
        thread = threading.Thread(target=_pass_on, args=(outer, inner))
        self._threads.append(thread)
        thread.start()

    def __enter__(self) -> TLSProxy:
        self._threads[0].start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for end in self._ends:
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(5)
        for end in self._ends:
            end.close()


def _pass_on(outer: ssl.SSLSocket, inner: socket.socket) -> None:
    outer.settimeout(0.005)  # a record may be there that no selector tells of
    inner.settimeout(0.005)
    with contextlib.suppress(OSError):
        while True:
            for source, sink in ((outer, inner), (inner, outer)):
                try:
                    data = source.recv(65_536)
                except TimeoutError:
                    continue
                if not data:
                    inner.shutdown(socket.SHUT_RDWR)
                    outer.shutdown(socket.SHUT_RDWR)
                    return
                sink.settimeout(5)
                sink.sendall(data)
                sink.settimeout(0.005)
