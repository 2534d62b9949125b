"""One relay at a time for a database in one file, which can't lock single rows.

The lock ends with its process, also by SIGKILL, and needs no clock.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pulpo.system import FileLock

__all__ = ["only_relay"]


@contextmanager
def only_relay(database: Path | None) -> Iterator[bool]:
    """Tell whether nobody else relays this file, and keep it so; without a file it is always so."""
    if database is None:
        yield True
        return
    lock = FileLock(database.with_name(f"{database.name}-pulpo-relay"))
    is_free = lock.acquire(wait=False)
    try:
        yield is_free
    finally:
        lock.release()
