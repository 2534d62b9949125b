"""The side store in a queue file: a table of its own, written in short transactions.

Through the same writers' lock as jobs, and not synced one by one. Knows nothing of jobs, and not
what a fact means.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Sequence
from types import MappingProxyType
from typing import TypeVar

from pulpo.adapters.sqlite.database import Database, Ready
from pulpo.adapters.sqlite.room import Room
from pulpo.adapters.sqlite.rows import Moment
from pulpo.clock import Clock
from pulpo.side import (
    ABSENT,
    Addition,
    Fact,
    Removal,
    Write,
    Written,
    check_additions,
    check_keys,
    check_removals,
    check_space,
    check_writes,
)

__all__ = ["Now", "SQLiteSide", "Turn"]

Item = TypeVar("Item")
Result = TypeVar("Result")

# Within one boot its clock counts, which nobody sets; a fact of an earlier boot goes by the wall.
_LIVES = """
(moment IS NULL OR CASE boot WHEN :boot THEN moment > :moment ELSE until > :wall END)
"""
_SEEN = "space, key, version, value, amounts, boot, moment, until"
_FIND = f"SELECT {_SEEN} FROM side WHERE space = :space AND key = :key AND {_LIVES}"
_SCAN = f"""
SELECT {_SEEN} FROM side
WHERE space = :space AND key >= :first AND (:before IS NULL OR key < :before) AND {_LIVES}
ORDER BY key LIMIT :limit
"""
_PUT = """
INSERT OR REPLACE INTO side (space, key, value, amounts, boot, moment, until)
VALUES (:space, :key, :value, :amounts, :boot, :end_moment, :end_wall)
"""
_REMOVE = "DELETE FROM side WHERE version = ?"
_SWEEP = """
DELETE FROM side WHERE version IN (
    SELECT version FROM side WHERE boot = :boot AND moment IS NOT NULL AND moment <= :moment
    LIMIT 500
)
"""
_SWEEP_OTHERS = """
DELETE FROM side WHERE version IN (
    SELECT version FROM side
    WHERE (boot < :boot OR boot > :boot) AND moment IS NOT NULL AND until <= :wall LIMIT 500
)
"""
# How often one store clears away what has ended, in seconds.
_BETWEEN_SWEEPS = 30.0

_Row = tuple[str, str, int, bytes | None, str | None, str, float | None, float | None]


class SQLiteSide:
    """A door to the facts in a queue file, for one thread; opened on first use."""

    def __init__(self, database: Database, *, is_whole: bool = True, guards: bool = True) -> None:
        self._database = database
        self._is_whole = is_whole
        self._guards = guards
        self._swept = -_BETWEEN_SWEEPS
        self._room = Room(database.path.parent, database.clock)

    @property
    def is_whole(self) -> bool:
        """Whether all workers tell here; see `pulpo.side.SideStore`."""
        return self._is_whole

    @property
    def guards(self) -> bool:
        """Whether all who are to see a guard look here; see `pulpo.side.SideStore`."""
        return self._guards

    def write(self, writes: Sequence[Write]) -> Sequence[Written]:
        """Write facts in one transaction."""
        check_writes(writes)
        self._check_room(sum(len(write.value) for write in writes))
        return self._transact(Turn.write, writes)

    def add(self, additions: Sequence[Addition]) -> None:
        """Add to numbers in one transaction."""
        check_additions(additions)
        self._check_room(len(additions))
        self._transact(Turn.add, additions)

    def read(self, space: str, keys: Sequence[str]) -> Sequence[Fact | None]:
        """Return the facts with these keys."""
        check_space(space)
        check_keys(keys)
        now = Now(self._database.clock)
        read = self._database.read
        found = [read(_FIND, {**now.names, "space": space, "key": key}) for key in keys]
        return [now.fact(rows[0]) if rows else None for rows in found]

    def scan(
        self, space: str, *, first: str = "", before: str | None = None, limit: int | None = None
    ) -> Sequence[Fact]:
        """Return the facts of a space in the order of their keys."""
        check_space(space)
        now = Now(self._database.clock)
        most = -1 if limit is None else max(limit, 0)
        asked = {"space": space, "first": first, "before": before, "limit": most}
        return [now.fact(row) for row in self._database.read(_SCAN, {**now.names, **asked})]

    def remove(self, removals: Sequence[Removal]) -> Sequence[bool]:
        """Remove facts in one transaction."""
        check_removals(removals)
        return self._transact(Turn.remove, removals)

    def close(self) -> None:
        """Let go of the file; twice is once."""
        self._database.close()

    def _check_room(self, size: int) -> None:
        # What is left on a full disk is for settling jobs: no fact may take it.
        if full := self._room.refusal(size):
            raise full

    def _transact(self, act: Callable[[Turn, Item], Result], batch: Sequence[Item]) -> list[Result]:
        if not batch:
            return []
        now = Now(self._database.clock)
        sweeps = not 0 <= now.moment.boot - self._swept < _BETWEEN_SWEEPS

        def work(connection: sqlite3.Connection, ready: Ready) -> list[Result]:
            del ready  # facts wake nobody
            turn = Turn(connection, now)
            if sweeps:
                turn.sweep()
            return [act(turn, item) for item in batch]

        done = self._database.write(work, synced=False)
        self._swept = now.moment.boot if sweeps else self._swept
        return done


class Now:
    """One moment on the clocks that ends go by, so that all of a batch agrees."""

    def __init__(self, clock: Clock, moment: Moment | None = None) -> None:
        self.moment = moment or Moment.now(clock)
        self.boot = clock.boot()
        self.names = {"boot": self.boot, "moment": self.moment.boot, "wall": self.moment.wall}

    def fact(self, row: _Row) -> Fact:
        """Return a row as a fact."""
        space, key, version, value, amounts, boot, moment, until = row
        left = None
        if moment is not None and until is not None:
            left = moment - self.moment.boot if boot == self.boot else until - self.moment.wall
        if amounts is None:
            return Fact(space=space, key=key, version=version, left=left, value=value or b"")
        counted = MappingProxyType(json.loads(amounts))
        return Fact(space=space, key=key, version=version, left=left, amounts=counted)

    def ends(self, lasts: float | None) -> dict[str, float | None]:
        """Return the columns that say when a fact ends."""
        if lasts is None:
            return {"end_moment": None, "end_wall": None}
        return {"end_moment": self.moment.boot + lasts, "end_wall": self.moment.wall + lasts}


class Turn:
    """What is done to the facts in one transaction."""

    def __init__(self, connection: sqlite3.Connection, now: Now) -> None:
        self._connection = connection
        self._now = now

    def write(self, write: Write) -> Written:
        """Write a fact."""
        found = self.find(write.space, write.key)
        version = ABSENT if found is None else found.version
        if write.expected is not None and write.expected != version:
            return Written(False, found)
        new = self._put(write.space, write.key, write.value, None, write.lasts)
        return Written(
            True,
            Fact(
                space=write.space, key=write.key, version=new, left=write.lasts, value=write.value
            ),
        )

    def add(self, addition: Addition) -> None:
        """Add to the numbers of a fact."""
        found = self.find(addition.space, addition.key)
        amounts = dict(found.amounts) if found is not None else {}
        for name, amount in addition.amounts.items():
            amounts[name] = amounts.get(name, 0) + amount
        self._put(addition.space, addition.key, None, json.dumps(amounts), addition.lasts)

    def remove(self, removal: Removal) -> bool:
        """Remove a fact."""
        found = self.find(removal.space, removal.key)
        if found is None or removal.expected not in (None, found.version):
            return False
        self._connection.execute(_REMOVE, (found.version,))
        return True

    def sweep(self) -> None:
        """Clear away what has ended."""
        self._connection.execute(_SWEEP, self._now.names)
        self._connection.execute(_SWEEP_OTHERS, self._now.names)

    def find(self, space: str, key: str) -> Fact | None:
        """Return a fact that has not ended."""
        asked = {**self._now.names, "space": space, "key": key}
        row = self._connection.execute(_FIND, asked).fetchone()
        return None if row is None else self._now.fact(row)

    def _put(
        self, space: str, key: str, value: bytes | None, amounts: str | None, lasts: float | None
    ) -> int:
        told = {"space": space, "key": key, "value": value, "amounts": amounts}
        names = {**self._now.names, **told, **self._now.ends(lasts)}
        return self._connection.execute(_PUT, names).lastrowid or 0
