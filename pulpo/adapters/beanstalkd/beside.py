"""Where the facts beside a beanstalkd are kept, which has no place for them: in a queue file.

The one that the option `side` names, or one of this user on this host for each address. Knows
addresses and files, not what a fact is.
"""

from __future__ import annotations

import re
import zlib

from pulpo.adapters.beanstalkd.address import Address
from pulpo.adapters.sqlite.engine import SQLiteEngine
from pulpo.clock import Clock
from pulpo.errors import UsageError
from pulpo.folders import state_folder
from pulpo.queue_url import QueueURL, mask

__all__ = ["named", "of_this_host"]

_LOOPBACK = ("localhost", "::1")


def named(text: str, clock: Clock) -> SQLiteEngine:
    """Return the file that `side=URL` names; raises `UsageError` for another kind of URL."""
    try:
        url = QueueURL.parse(text)
        if url.scheme != "sqlite":
            raise UsageError(f"it must be a sqlite:// URL, not {url.scheme}://: {url.masked!r}")
        return SQLiteEngine(url, clock=clock)
    except UsageError as error:
        raise UsageError(f"option 'side' ({mask(text)!r}): {error}") from None


def of_this_host(address: Address, clock: Clock) -> SQLiteEngine:
    """Return the file for this address in the state folder; makes nothing.

    Raises `QueueUnavailableError` where this user has no such folder.
    """
    path = state_folder() / f"beside-{_name(address)}.db"
    url = QueueURL(text=f"sqlite:///{path}", scheme="sqlite", path=f"/{path}", options={})
    return SQLiteEngine(url, clock=clock)


def _name(address: Address) -> str:
    if address.path:
        where = f"unix-{address.path}"
    else:
        # One server by two names, and the workers of one must be seen by who uses the other.
        host = "127.0.0.1" if address.host in _LOOPBACK else address.host
        where = f"{host}-{address.port}"
    plain = re.sub(r"[^A-Za-z0-9.-]", "_", where)
    if plain == where and len(plain) <= 100:
        return plain
    # Two that look alike now must not share a file.
    return f"{plain[-100:]}-{zlib.crc32(where.encode()):08x}"
