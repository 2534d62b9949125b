"""Whether the log of a PostgreSQL is on the disk; knows nothing of what wrote it."""

from __future__ import annotations

from collections.abc import Callable

import psycopg

__all__ = ["is_on_the_disk_after"]

# Up to where the log is written, and up to where it is on the disk.
_BEHIND = "SELECT pg_current_wal_insert_lsn() - pg_current_wal_flush_lsn()"


def is_on_the_disk_after(write: Callable[[], object], watch: psycopg.Connection) -> bool:
    """Write up to three times; tell whether the log was on the disk right after one of them.

    A server writes for itself now and then and waits for no disk. Who does not wait for his own
    words is behind each time: they are written by a process of its own, a moment later.
    """
    for _ in range(3):
        write()
        if watch.execute(_BEHIND).fetchone() == (0,):
            return True
    return False
