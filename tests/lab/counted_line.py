"""A line to a server that counts round trips, and loses an answer when it is told to.

Passes bytes on and knows no protocol: a round trip is whatever goes there before something comes
back.
"""

from __future__ import annotations

import contextlib
import selectors
import socket
import threading

from tests.lab.background import Background

__all__ = ["CountedLine"]


class CountedLine(Background):
    """Listens on a free port of the loopback and passes everything on; a context manager.

    `trips` counts what was asked on all connections. After `lose_answer` the next question is
    passed on, its answer is waited for and kept, and its connection is closed instead.
    """

    def __init__(self, port: int) -> None:
        super().__init__()
        self._target = port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        self.trips = 0
        self._loses = threading.Event()
        self.lost = threading.Event()

    def lose_answer(self) -> None:
        """Keep the answer to the next question."""
        self.lost.clear()
        self._loses.set()

    def _work(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                outer, _ = self._listener.accept()
                threading.Thread(target=self._pass_on, args=(outer,), daemon=True).start()

    def _end(self) -> None:
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _pass_on(self, outer: socket.socket) -> None:
        inner = socket.create_connection(("127.0.0.1", self._target))
        asked = False
        with outer, inner, selectors.DefaultSelector() as both, contextlib.suppress(OSError):
            for end in (outer, inner):
                both.register(end, selectors.EVENT_READ)
            while True:
                for key, _ in both.select():
                    source = key.fileobj
                    data = source.recv(65_536)  # type: ignore[union-attr]
                    if not data:
                        return
                    if source is outer:
                        self.trips += not asked
                        asked = True
                        inner.sendall(data)
                        continue
                    if asked and self._loses.is_set():
                        self._loses.clear()
                        self.lost.set()
                        return
                    asked = False
                    outer.sendall(data)
