"""Somebody who puts bytes into a queue without pulpo, looks what is kept, and takes it out.

By a socket that checks nothing, or by SQL in a file or a database that is not his. Knows bytes and
states, not what they mean.
"""

from __future__ import annotations

import itertools
import socket
import sqlite3
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, Protocol, TypeVar

__all__ = ["Found", "Stranger", "by_database", "by_socket", "by_sql"]

T = TypeVar("T")
Made = TypeVar("Made")
_FLIGHT = 200


@dataclass(frozen=True, slots=True)
class Found(Generic[T]):
    """A job that is kept in the queue: its number, what was made of its body, where it stands."""

    number: int
    made: T
    buried: bool


class Stranger(Protocol):
    """What a row needs of either."""

    def put(self, bodies: Sequence[bytes]) -> list[str]:
        """Put bodies into the default queue; return what the queue calls their jobs."""
        ...

    def waiting(self) -> tuple[int, int]:
        """Return how many jobs are ready or being run, and how many there are at all."""
        ...

    def look(self, make: Callable[[bytes], T | None]) -> list[Found[T]]:
        """Return the jobs of whose bodies something can be made."""
        ...

    def take(self, found: Sequence[Found[T]]) -> list[Found[T]]:
        """Delete jobs; return those that still were there, and nobody's."""
        ...

    def close(self) -> None:
        """Go away."""
        ...


def by_socket(port: int) -> Stranger:
    """Return one who talks to a beanstalkd of whose numbers none was given before."""
    return _SocketStranger(port)


def by_sql(path: Path) -> Stranger:
    """Return one who writes into a queue file that is there already."""
    return _SQLStranger(path)


def by_database(url: str) -> Stranger:
    """Return one who writes into the tables of a queue that are there already."""
    return _DatabaseStranger(url)


class _SocketStranger:
    def __init__(self, port: int) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port))
        self._lines = self._socket.makefile("rb")
        # What may still be there, and from where on nobody has looked: each copy has a new number.
        self._left: list[int] = []
        self._next = 1
        self._say(b"use nobodys")

    def put(self, bodies: Sequence[bytes]) -> list[str]:
        self._say(b"use default")
        numbers = self._put(bodies)
        self._say(b"use nobodys")
        return [str(number) for number in numbers]

    def waiting(self) -> tuple[int, int]:
        stats = self._stats(b"stats-tube default")
        counts = {
            state: int(stats[f"current-jobs-{state}"])
            for state in ("ready", "reserved", "delayed", "buried")
        }
        return counts["ready"] + counts["reserved"], sum(counts.values())

    def look(self, make: Callable[[bytes], T | None]) -> list[Found[T]]:
        # To put one where no worker takes it is to learn the highest number.
        (last,) = self._put([b"the last number"])
        self._say(b"delete %d" % last)
        there: list[int] = []
        made: list[tuple[int, T]] = []
        for flight in _flights([*self._left, *range(self._next, last)]):
            self._send(b"peek %d" % number for number in flight)
            for number in flight:
                body = self._body()
                if body is None:
                    continue
                there.append(number)
                value = make(body)
                if value is not None:
                    made.append((number, value))
        self._left, self._next = there, last + 1
        return self._with_states(made)

    def take(self, found: Sequence[Found[T]]) -> list[Found[T]]:
        taken = []
        for flight in _flights(found):
            self._send(b"delete %d" % each.number for each in flight)
            taken += [each for each in flight if self._lines.readline() == b"DELETED\r\n"]
        return taken

    def close(self) -> None:
        self._lines.close()
        self._socket.close()

    def _with_states(self, made: Sequence[tuple[int, T]]) -> list[Found[T]]:
        found = []
        for flight in _flights(made):
            self._send(b"stats-job %d" % number for number, _ in flight)
            for number, value in flight:
                stats = self._body()
                if stats is not None:
                    found.append(Found(number, value, b"\nstate: buried\n" in stats))
        return found

    def _put(self, bodies: Sequence[bytes]) -> list[int]:
        numbers = []
        for flight in _flights(bodies):
            self._send(b"put 65536 0 86400 %d\r\n%b" % (len(body), body) for body in flight)
            for _ in flight:
                line = self._lines.readline()
                assert line.startswith(b"INSERTED "), line
                numbers.append(int(line.split()[1]))
        return numbers

    def _stats(self, command: bytes) -> dict[str, str]:
        self._send([command])
        lines = (self._body() or b"").decode().splitlines()
        return {name: value for name, _, value in (line.partition(": ") for line in lines)}

    def _say(self, command: bytes) -> None:
        self._send([command])
        self._lines.readline()

    def _send(self, commands: Iterable[bytes]) -> None:
        self._socket.sendall(b"".join(command + b"\r\n" for command in commands))

    def _body(self) -> bytes | None:
        line = self._lines.readline()
        if line == b"NOT_FOUND\r\n":
            return None
        return self._lines.read(int(line.split()[-1]) + 2)[:-2]


_INSERT = """
INSERT INTO jobs (id, type, queue, priority, state, ttr, body)
VALUES (?, 'stranger', 'default', 65536, 0, 60.0, ?)
"""
# No clock of a file can be set, so its backoffs are cut short: those of the undecodable, or what
# waits for other code would come again and again.
_HURRY = "UPDATE jobs SET moment = 0.0 WHERE state = 1 AND type = 'pulpo.undecodable'"
_LATER = "SELECT number, body, state = 4 FROM jobs WHERE state IN (1, 4) AND moment IS NOT NULL"
_COUNTS = "SELECT coalesce(sum(state IN (0, 3)), 0), count(*) FROM jobs"
_DELETE = "DELETE FROM jobs WHERE number = ? AND state = ?"


class _SQLStranger:
    def __init__(self, path: Path) -> None:
        self._file = sqlite3.connect(path, timeout=60.0, isolation_level=None)
        self._count = 0

    def put(self, bodies: Sequence[bytes]) -> list[str]:
        names = [f"stranger-{self._count + n}" for n in range(len(bodies))]
        self._count += len(bodies)
        self._write(_INSERT, list(zip(names, bodies, strict=True)))
        return names

    def waiting(self) -> tuple[int, int]:
        busy, there = self._file.execute(_COUNTS).fetchone()
        return busy, there

    def look(self, make: Callable[[bytes], T | None]) -> list[Found[T]]:
        self._write(_HURRY, [()])
        found = []
        for number, body, buried in self._file.execute(_LATER).fetchall():
            value = make(body)
            if value is not None:
                found.append(Found(number, value, bool(buried)))
        return found

    def take(self, found: Sequence[Found[T]]) -> list[Found[T]]:
        self._file.execute("BEGIN IMMEDIATE")
        taken = [
            each
            for each in found
            if self._file.execute(_DELETE, (each.number, 4 if each.buried else 1)).rowcount
        ]
        self._file.execute("COMMIT")
        return taken

    def close(self) -> None:
        self._file.close()

    def _write(self, statement: str, rows: Sequence[tuple[object, ...]]) -> None:
        self._file.execute("BEGIN IMMEDIATE")
        self._file.executemany(statement, rows)
        self._file.execute("COMMIT")


class _DatabaseStranger:
    """The same on PostgreSQL: its statements are those for a file, but for the schema."""

    def __init__(self, url: str) -> None:
        import psycopg

        self._deadlock = psycopg.errors.DeadlockDetected
        self._base = psycopg.connect(url, autocommit=True)
        self._count = 0

    def put(self, bodies: Sequence[bytes]) -> list[str]:
        names = [f"stranger-{self._count + n}" for n in range(len(bodies))]
        self._count += len(bodies)
        with self._base.transaction(), self._base.cursor() as cursor:
            cursor.executemany(_INSERT_HERE, list(zip(names, bodies, strict=True)))
            # Who waits in vain is not to wait for its slow poll.
            cursor.execute("SELECT pg_notify('pulpo:pulpo', 'default')")
        return names

    def waiting(self) -> tuple[int, int]:
        ((busy, there),) = self._base.execute(_COUNTS_HERE).fetchall()
        return busy, there

    def look(self, make: Callable[[bytes], T | None]) -> list[Found[T]]:
        self._insist(lambda: self._base.execute(_HURRY_HERE))
        found = []
        for number, body, buried in self._base.execute(_LATER_HERE).fetchall():
            value = make(body)
            if value is not None:
                found.append(Found(number, value, buried))
        return found

    def take(self, found: Sequence[Found[T]]) -> list[Found[T]]:
        return self._insist(lambda: self._take(found))

    def close(self) -> None:
        self._base.close()

    def _take(self, found: Sequence[Found[T]]) -> list[Found[T]]:
        with self._base.transaction():
            return [
                each
                for each in found
                if self._base.execute(_DELETE_HERE, (each.number, 4 if each.buried else 1)).rowcount
            ]

    def _insist(self, work: Callable[[], Made]) -> Made:
        """Do work again that the server has undone, since a worker had the same jobs in hand."""
        while True:
            try:
                return work()
            except self._deadlock:
                continue


_INSERT_HERE, _HURRY_HERE, _LATER_HERE, _DELETE_HERE = (
    statement.replace(" jobs", " pulpo.jobs").replace("?", "%s")
    for statement in (_INSERT, _HURRY, _LATER, _DELETE)
)
_COUNTS_HERE = "SELECT count(*) FILTER (WHERE state IN (0, 3)), count(*) FROM pulpo.jobs"


def _flights(items: Iterable[T]) -> Iterable[list[T]]:
    rest = iter(items)
    while flight := list(itertools.islice(rest, _FLIGHT)):
        yield flight
