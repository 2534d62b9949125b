"""A very small HTTP server, for one thread that waits for other things as well.

It answers GET and HEAD, one request a connection, and never waits: neither for a slow client, nor
for one that says nothing. What is answered is somebody else's business.
"""

from __future__ import annotations

import logging
import select
import socket
from collections.abc import Callable
from contextlib import suppress

from pulpo.clock import Clock
from pulpo.worker.board import Answer

__all__ = ["HttpServer", "listen"]

logger = logging.getLogger(__name__)

_PHRASES = {
    200: "OK",
    400: "Bad Request",
    404: "Not Found",
    405: "Method Not Allowed",
    500: "Internal Server Error",
    501: "Not Implemented",
    503: "Service Unavailable",
}
MOST_CLIENTS = 32
LARGEST_REQUEST = 8_192
# From its first byte to its last a client has so many seconds.
PATIENCE = 5.0


def listen(host: str, port: int) -> socket.socket:
    """Return a socket that listens; port 0 is any that is free. Raises `OSError`."""
    family, kind, _, _, address = socket.getaddrinfo(
        host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
    )[0]
    sock = socket.socket(family, kind)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind(address)
        sock.listen(MOST_CLIENTS)
    except BaseException:
        sock.close()
        raise
    sock.setblocking(False)
    return sock


class _Client:
    """One connection: what it has asked so far, and what it is still to be told."""

    def __init__(self, sock: socket.socket, until: float) -> None:
        self.sock = sock
        self.until = until
        self.request = b""
        self.answer = b""


class HttpServer:
    """The thread that polls owns it."""

    def __init__(self, sock: socket.socket, answer: Callable[[str], Answer], clock: Clock) -> None:
        self._sock = sock
        self._answer = answer
        self._clock = clock
        self._clients: dict[int, _Client] = {}
        self._deaf_until = 0.0

    @property
    def url(self) -> str:
        """Where it listens."""
        host, port = self._sock.getsockname()[:2]
        return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"

    def wait_in(self, poll: select.poll) -> None:
        """Let somebody's poll wake up for whoever comes; those who dawdle are sent away."""
        now = self._clock.monotonic()
        for fd, client in list(self._clients.items()):
            if now >= client.until:
                self._end(fd)
            else:
                poll.register(fd, select.POLLOUT if client.answer else select.POLLIN)
        if len(self._clients) < MOST_CLIENTS and now >= self._deaf_until:
            poll.register(self._sock.fileno(), select.POLLIN)

    def serve(self, fd: int) -> None:
        """Do what can be done at a descriptor that is ready; others are left alone."""
        client = self._clients.get(fd)
        try:
            if client is not None:
                self._go_on(client)
            elif fd == self._sock.fileno():
                self._accept()
        except BlockingIOError:
            pass
        except OSError:  # gone, which is the client's business
            self._end(fd)

    def close(self) -> None:
        """Close all descriptors; in a forked process that ends nobody's connection."""
        for fd in list(self._clients):
            self._end(fd)
        self._sock.close()

    def _accept(self) -> None:
        try:
            sock, _ = self._sock.accept()
        except BlockingIOError:  # gone already
            return
        except OSError:
            # No descriptor left, most likely: whoever knocks keeps on knocking, which is no reason
            # to do nothing else.
            self._deaf_until = self._clock.monotonic() + 1.0
            return
        sock.setblocking(False)
        self._clients[sock.fileno()] = _Client(sock, self._clock.monotonic() + PATIENCE)

    def _go_on(self, client: _Client) -> None:
        if not client.answer:
            data = client.sock.recv(LARGEST_REQUEST)
            client.request += data
            head, end, _ = client.request.partition(b"\r\n\r\n")
            if not data or (not end and len(client.request) > LARGEST_REQUEST):
                self._end(client.sock.fileno())
                return
            if not end:
                return
            client.answer = self._answered(head)
        client.answer = client.answer[client.sock.send(client.answer) :]
        if not client.answer:
            with suppress(OSError):
                client.sock.shutdown(socket.SHUT_WR)
            self._end(client.sock.fileno())

    def _answered(self, head: bytes) -> bytes:
        line = head.split(b"\r\n", 1)[0].decode("latin-1")
        method, _, rest = line.partition(" ")
        target, _, version = rest.partition(" ")
        if not version.startswith("HTTP/"):
            found = Answer(400, "text/plain", b"not HTTP\n")
        elif method not in ("GET", "HEAD"):
            found = Answer(405, "text/plain", b"only GET and HEAD\n")
        else:
            found = self._asked(target.partition("?")[0])
        body = b"" if method == "HEAD" else found.body
        lines = (
            f"HTTP/1.1 {found.code} {_PHRASES[found.code]}",
            f"Content-Type: {found.type}",
            f"Content-Length: {len(found.body)}",
            "Cache-Control: no-store",
            "X-Content-Type-Options: nosniff",
            "Connection: close",
        )
        return "\r\n".join((*lines, "", "")).encode("latin-1") + body

    def _asked(self, path: str) -> Answer:
        try:
            return self._answer(path)
        except Exception:  # whoever answers must not end the thread that other things depend on
            logger.exception("no answer to %r", path)
            return Answer(500, "text/plain", b"no answer; the worker's log says why\n")

    def _end(self, fd: int) -> None:
        client = self._clients.pop(fd, None)
        if client is not None:
            client.sock.close()
