"""Bare loops on a SQLite file: the least table and the least statements that make a queue of it.

Write-ahead log, one index over what is ready. Producers sync as they are told (`FULL` or
`NORMAL`); consumers use `NORMAL`, as a queue may whose claims need not survive a power cut.
"""

from __future__ import annotations

import contextlib
import os
import socket
import sqlite3
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from bench.bare.consume import Swap, Taken

__all__ = ["FIRST_PUT", "create", "put", "putter", "serve", "taker"]

Run = Callable[[bytes], object]

FIRST_PUT = """\
import sqlite3, time
connection = sqlite3.connect("{path}", isolation_level=None)
connection.execute("PRAGMA journal_mode = WAL")
connection.execute("PRAGMA synchronous = {sync}")
connection.execute(
    "INSERT INTO jobs(queue, priority, ready_at, body) VALUES('default', 65536, ?, ?)",
    (time.time(), b"0"),
)
"""

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
# Answered by the first entry of the index, as all jobs have one priority.
_NEXT = """
SELECT ready_at FROM jobs WHERE state = 0 AND queue = 'default'
ORDER BY priority, ready_at, id LIMIT 1
"""


def _open(path: Path, sync: str) -> sqlite3.Connection:
    connection = sqlite3.connect(path, isolation_level=None, timeout=30)
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


def put(path: Path, bodies: Sequence[bytes], size: int, sync: str, delay: float = 0) -> None:
    """Insert `size` jobs a transaction, due after `delay` seconds."""
    with contextlib.closing(_open(path, sync)) as connection, _bell(path) as ring:
        for start in range(0, len(bodies), size):
            due = time.time() + delay
            connection.execute("BEGIN IMMEDIATE")
            rows = [(due, body) for body in bodies[start : start + size]]
            connection.executemany(_PUT, rows)
            connection.execute("COMMIT")
            ring()


def _swap(connection: sqlite3.Connection, done: Sequence[Taken], size: int) -> list[Taken]:
    """Delete the last batch and claim the next in one transaction."""
    now = time.time()
    connection.execute("BEGIN IMMEDIATE")
    connection.executemany("DELETE FROM jobs WHERE id = ?", [(key,) for key, _ in done])
    rows = connection.execute(_CLAIM, (now + 60, now, size)).fetchall()
    connection.execute("COMMIT")
    return rows


@contextlib.contextmanager
def taker(path: Path) -> Iterator[Swap]:
    """Claim and delete until nothing is ready."""
    with contextlib.closing(_open(path, "NORMAL")) as connection:
        yield lambda done, size: _swap(connection, done, size)


def serve(path: Path, run: Run, size: int) -> None:
    """Claim and delete for ever; with nothing ready, wait for a datagram or the next due job."""
    done: list[Taken] = []
    with (
        contextlib.closing(_open(path, "NORMAL")) as connection,
        contextlib.closing(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)) as bell,
    ):
        bell.bind(f"{path}.bell.{os.getpid()}")
        while True:
            done = _swap(connection, done, size)
            for _, body in done:
                run(body)
            while not done and not connection.execute(_LOOK, (time.time(),)).fetchone():
                _wait(connection, bell)


def _wait(connection: sqlite3.Connection, bell: socket.socket) -> None:
    due = connection.execute(_NEXT).fetchone()
    bell.settimeout(max(0.001, due[0] - time.time()) if due else None)
    with contextlib.suppress(TimeoutError):
        bell.recv(16)


@contextlib.contextmanager
def _bell(path: Path) -> Iterator[Callable[[], None]]:
    """Return what tells all consumers that wait now; silent where nobody does."""
    with contextlib.ExitStack() as stack:
        bells = []
        for name in path.parent.glob(f"{path.name}.bell.*"):
            bell = stack.enter_context(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM))
            bell.setblocking(False)
            with contextlib.suppress(OSError):  # its consumer has gone
                bell.connect(str(name))
                bells.append(bell)

        def ring() -> None:
            for bell in bells:
                with contextlib.suppress(BlockingIOError):  # full: there is enough to wake it up
                    bell.send(b"w")

        yield ring
