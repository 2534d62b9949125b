"""The dashboard as a program of its own: a socket, a server, and how it ends.

Knows no page. Nothing that is served is logged: an address may hold the token.
"""

from __future__ import annotations

import signal
import socket
from types import FrameType

import uvicorn
from starlette.types import ASGIApp

from pulpo.errors import UsageError

__all__ = ["listen", "serve"]

_GRACE = 2  # seconds for answers that are under way


def listen(host: str, port: int) -> socket.socket:
    """Return a socket that listens; raises `UsageError` where that is not possible."""
    try:
        (family, kind, _, _, address), *_ = socket.getaddrinfo(
            host.strip("[]"), port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )
        # With its protocol: only then does asyncio set TCP_NODELAY, without which every answer
        # waits 40 ms for the acknowledgement of its headers.
        listening = socket.socket(family, kind, socket.IPPROTO_TCP)
    except OSError as error:
        raise UsageError(f"no address {host!r}: {error.strerror}") from None
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind(address)
        listening.listen(128)
    except OSError as error:
        listening.close()
        raise UsageError(
            f"cannot listen at {host}:{port} ({error.strerror}); choose another --port"
        ) from None
    return listening


def serve(app: ASGIApp, listening: socket.socket) -> None:
    """Serve until SIGINT or SIGTERM; returns once what is under way was answered."""
    server = uvicorn.Server(
        uvicorn.Config(
            app,
            log_level="warning",
            access_log=False,
            server_header=False,
            proxy_headers=False,
            timeout_keep_alive=30,
            timeout_graceful_shutdown=_GRACE,
        )
    )
    # uvicorn raises a signal again once it has stopped for it, for whoever had it before.
    before = {number: signal.signal(number, _stay) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        server.run(sockets=[listening])
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _stay(_: int, __: FrameType | None) -> None:
    """Do nothing: the server has stopped already."""
