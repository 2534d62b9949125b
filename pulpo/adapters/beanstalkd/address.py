"""Where a beanstalkd is and how it is reached: TCP, a Unix socket, or TLS.

pulpo opens the socket itself: with time limits, keepalive and no delay, and marked to be closed
in children. What is said on it is not known here.
"""

from __future__ import annotations

import socket
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pulpo.errors import QueueUnavailableError, UsageError
from pulpo.queue_url import QueueURL

if TYPE_CHECKING:
    import ssl

__all__ = ["Address"]

CONNECT_TIMEOUT = 3.0
# Where facts are kept is no part of the address; see `beside`.
_OPTIONS = ("side",)
_TLS_OPTIONS = ("ca", "cert", "key")


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """A server's address; `shown` is the URL without secrets, for errors."""

    host: str = ""
    port: int = 11_300
    path: str = ""
    tls: bool = False
    ca: str | None = None
    cert: str | None = None
    key: str | None = None
    shown: str = ""

    @classmethod
    def of(cls, url: QueueURL) -> Address:
        """Read an address off a URL; raises `UsageError` naming what is wrong."""
        if url.username or url.password:
            raise UsageError(f"beanstalkd knows no users; take them out of the URL: {url.masked!r}")
        if url.scheme == "beanstalkd+unix":
            url.only(_OPTIONS)
            if url.host or not url.path.startswith("/"):
                raise UsageError(
                    f"a Unix socket's URL is beanstalkd+unix:///path/to/socket: {url.masked!r}"
                )
            return cls(path=url.path, shown=url.masked)
        tls = url.scheme == "beanstalkds"
        url.only((*_OPTIONS, *_TLS_OPTIONS) if tls else _OPTIONS)
        if not url.host or url.path not in ("", "/"):
            raise UsageError(f"a URL of this kind is {url.scheme}://host:11300: {url.masked!r}")
        files = {name: _readable(url, name) for name in _TLS_OPTIONS if name in url.options}
        if "key" in files and "cert" not in files:
            raise UsageError(f"option 'key' needs option 'cert' beside it: {url.masked!r}")
        return cls(
            host=url.host,
            port=11_300 if url.port is None else url.port,
            tls=tls,
            shown=url.masked,
            **files,
        )

    def connect(self, *, reply_timeout: float) -> socket.socket:
        """Open a connection; raises `QueueUnavailableError`."""
        try:
            sock = self._connect()
        except OSError as error:
            raise QueueUnavailableError(f"cannot reach {self.shown}: {error}") from error
        sock.settimeout(reply_timeout)
        return sock

    def _connect(self) -> socket.socket:
        if self.path:
            sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            try:
                sock.settimeout(CONNECT_TIMEOUT)
                sock.connect(self.path)
            except BaseException:
                sock.close()
                raise
            return sock
        # As bytes: for text, Python loads the tables of international names, two milliseconds.
        host = self.host.encode() if self.host.isascii() else self.host
        sock = socket.create_connection((host, self.port), CONNECT_TIMEOUT)  # type: ignore[arg-type]  # text only, says typeshed
        try:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
            return (
                self._context().wrap_socket(sock, server_hostname=self.host) if self.tls else sock
            )
        except BaseException:
            sock.close()
            raise

    def _context(self) -> ssl.SSLContext:
        import ssl  # noqa: PLC0415  # costs every producer 10 ms, and few use TLS

        context = ssl.create_default_context(cafile=self.ca)
        if self.cert:
            context.load_cert_chain(self.cert, self.key)
        return context


def _readable(url: QueueURL, name: str) -> str:
    path = url.options[name]
    if not Path(path).is_file():
        raise UsageError(f"option {name!r} must name a file: {path!r}")
    return path
