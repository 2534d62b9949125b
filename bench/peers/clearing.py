"""Empties the private servers of a run, from inside a library's environment.

Both servers were started for this run only, on ports and in folders of their own.
"""

from __future__ import annotations

import socket
from typing import Any
from urllib.parse import urlsplit

from bench.peers.bodies import URL

__all__ = ["NEW_SCHEMA", "aflush_redis", "flush_redis"]

NEW_SCHEMA = "DROP SCHEMA public CASCADE; CREATE SCHEMA public"


def flush_redis() -> None:
    """Forget all keys."""
    parts: Any = urlsplit(URL)
    with socket.create_connection((parts.hostname, parts.port)) as connection:
        connection.sendall(b"FLUSHALL\r\n")
        if not connection.recv(64).startswith(b"+OK"):
            raise RuntimeError("Redis did not forget its keys")


async def aflush_redis() -> None:
    """Do the same for those who await."""
    flush_redis()
