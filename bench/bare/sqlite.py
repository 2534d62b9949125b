"""Bare loops on a SQLite file: the least table and the least statements that make a queue of it.

Write-ahead log, one index over what is ready. Producers sync as they are told (`FULL` or
`NORMAL`); consumers use `NORMAL`, as a queue may whose claims need not survive a power cut.
"""

from __future__ import annotations

import contextlib
import socket
import sqlite3
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

__all__ = ["create", "drain", "put", "putter", "serve"]

Run = Callable[[bytes], object]

_TABLE = """
CREATE TABLE IF NOT EXISTS jobs(
  id INTEGER PRIMARY KEY, queue TEXT NOT NULL, priority INTEGER NOT NULL, ready_at REAL NOT NULL,
  state INTEGER NOT NULL DEFAULT 0, lease REAL, body BLOB NOT NULL);
CREATE INDEX IF NOT EXISTS ready ON jobs(queue, priority, ready_at, id) WHERE state = 0;
"""
_PUT = "INSERT INTO jobs(queue, priority, ready_at, body) VALUES('default', 65536, ?, ?)"
_CLAIM = """
UPDATE jobs SET state = 1, lease = ? WHERE id IN (
  SELECT id FROM jobs WHERE state = 0 AND queue = 'default' AND ready_at <= ?
  ORDER BY priority, ready_at, id LIMIT ?) RETURNING id, body
"""
# A look before the claim: an empty claim would take the write lock from the producer for nothing.
_LOOK = "SELECT 1 FROM jobs WHERE state = 0 AND queue = 'default' AND ready_at <= ? LIMIT 1"


def _open(path: Path, sync: str) -> sqlite3.Connection:
    connection = sqlite3.connect(path, isolation_level=None, timeout=10)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute(f"PRAGMA synchronous = {sync}")
    return connection


def create(path: Path) -> None:
    """Make the table, so that nobody's first statement pays for it."""
    with contextlib.closing(_open(path, "NORMAL")) as connection:
        connection.executescript(_TABLE)


@contextlib.contextmanager
def putter(path: Path, sync: str) -> Iterator[Callable[[bytes], object]]:
    """Insert one job a transaction, then tell a consumer that may be waiting."""
    with contextlib.closing(_open(path, sync)) as connection, _bell(path) as ring:

        def put_one(body: bytes) -> None:
            connection.execute(_PUT, (time.time(), body))
            ring()

        yield put_one


def put(path: Path, bodies: Sequence[bytes], size: int, sync: str) -> None:
    """Insert `size` jobs a transaction."""
    with contextlib.closing(_open(path, sync)) as connection:
        for start in range(0, len(bodies), size):
            now = time.time()
            connection.execute("BEGIN IMMEDIATE")
            rows = [(now, body) for body in bodies[start : start + size]]
            connection.executemany(_PUT, rows)
            connection.execute("COMMIT")


def _swap(
    connection: sqlite3.Connection, done: list[tuple[int]], size: int
) -> list[tuple[int, bytes]]:
    """Delete the last batch and claim the next in one transaction."""
    now = time.time()
    connection.execute("BEGIN IMMEDIATE")
    connection.executemany("DELETE FROM jobs WHERE id = ?", done)
    rows = connection.execute(_CLAIM, (now + 60, now, size)).fetchall()
    connection.execute("COMMIT")
    return rows


def drain(path: Path, run: Run, size: int) -> int:
    """Claim and delete until nothing is ready."""
    count = 0
    done: list[tuple[int]] = []
    with contextlib.closing(_open(path, "NORMAL")) as connection:
        while rows := _swap(connection, done, size):
            for _, body in rows:
                run(body)
            done = [(row[0],) for row in rows]
            count += len(rows)
    return count


def serve(path: Path, run: Run, size: int) -> None:
    """Claim and delete for ever; with nothing ready, wait for a datagram from a producer."""
    done: list[tuple[int]] = []
    with (
        contextlib.closing(_open(path, "NORMAL")) as connection,
        contextlib.closing(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)) as bell,
    ):
        bell.bind(_bell_path(path))
        while True:
            rows = _swap(connection, done, size)
            for _, body in rows:
                run(body)
            done = [(row[0],) for row in rows]
            while not done and not connection.execute(_LOOK, (time.time(),)).fetchone():
                bell.recv(16)


@contextlib.contextmanager
def _bell(path: Path) -> Iterator[Callable[[], None]]:
    """Return the producer's end of the datagram socket; silent where nobody listens."""
    with contextlib.closing(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)) as bell:
        bell.setblocking(False)
        try:
            bell.connect(_bell_path(path))
        except OSError:
            yield lambda: None
            return

        def ring() -> None:
            with contextlib.suppress(BlockingIOError):  # full: the consumer has enough to wake up
                bell.send(b"w")

        yield ring


def _bell_path(path: Path) -> str:
    return f"{path}.bell"
