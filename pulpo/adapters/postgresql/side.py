"""The side store in the queue's own schema. Knows nothing of jobs, and not what a fact means."""

from __future__ import annotations

import json
from collections.abc import Sequence
from types import MappingProxyType
from typing import Any

from pulpo.adapters.postgresql.link import Link, Rows
from pulpo.adapters.postgresql.rows import array
from pulpo.adapters.postgresql.timepiece import Timepiece
from pulpo.clock import Clock
from pulpo.side import (
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

__all__ = ["PostgreSQLSide"]

_SEEN = "space, key, version, value, amounts::text, ends - now"
_LIVES = "(ends IS NULL OR ends > now)"
_READ = f"""
SELECT {_SEEN} FROM @.side, @.now_1(%s::float8) AS now
WHERE space = %s AND key = ANY (%s::text[]) AND {_LIVES}
"""
_SCAN = f"""
SELECT {_SEEN} FROM @.side, @.now_1(%s::float8) AS now
WHERE space = %s AND key >= %s AND (%s::text IS NULL OR key < %s::text) AND {_LIVES}
ORDER BY key LIMIT %s::bigint
"""
_WRITE = """
SELECT * FROM @.side_write_1(
    %s::float8, %s::boolean, %s::text[], %s::text[], %s::bytea[], %s::float8[], %s::bigint[]
)
"""
_ADD = """
SELECT @.side_add_1(
    %s::float8, %s::boolean, %s::text[], %s::text[], %s::text[], %s::float8[]
)
"""
_REMOVE = "SELECT @.side_remove_1(%s::float8, %s::text[], %s::text[], %s::bigint[])"
# How often one store clears away what has ended, in seconds.
_BETWEEN_SWEEPS = 30.0


class PostgreSQLSide:
    """A door to the facts in a schema, for one thread; it connects on first use."""

    def __init__(self, link: Link, clock: Clock, timepiece: Timepiece) -> None:
        self._link = link
        self._clock = clock
        self._timepiece = timepiece
        self._swept = float("-inf")

    @property
    def is_whole(self) -> bool:
        """All of a queue's workers tell here."""
        return True

    @property
    def guards(self) -> bool:
        """Yes: all who use the queue use this store."""
        return True

    def write(self, writes: Sequence[Write]) -> Sequence[Written]:
        """Write facts in one transaction."""
        check_writes(writes)
        if not writes:
            return []
        rows = self._query(
            _WRITE,
            self._sweeps(),
            *_names(writes),
            [write.value for write in writes],
            array(write.lasts for write in writes),
            array(write.expected for write in writes),
        )
        return [
            Written(done, None if version is None else _fact((space, key, version, *rest)))
            for done, space, key, version, *rest in rows
        ]

    def add(self, additions: Sequence[Addition]) -> None:
        """Add to numbers in one transaction."""
        check_additions(additions)
        if additions:
            amounts = [json.dumps(dict(addition.amounts)) for addition in additions]
            lasts = array(addition.lasts for addition in additions)
            self._query(_ADD, self._sweeps(), *_names(additions), amounts, lasts)

    def read(self, space: str, keys: Sequence[str]) -> Sequence[Fact | None]:
        """Return the facts with these keys."""
        check_space(space)
        check_keys(keys)
        if not keys:
            return []
        found = {fact.key: fact for fact in map(_fact, self._query(_READ, space, list(keys)))}
        return [found.get(key) for key in keys]

    def scan(
        self, space: str, *, first: str = "", before: str | None = None, limit: int | None = None
    ) -> Sequence[Fact]:
        """Return the facts of a space in the order of their keys."""
        check_space(space)
        most = None if limit is None else max(limit, 0)
        return [_fact(row) for row in self._query(_SCAN, space, first, before, before, most)]

    def remove(self, removals: Sequence[Removal]) -> Sequence[bool]:
        """Remove facts in one transaction."""
        check_removals(removals)
        if not removals:
            return []
        expected = array(removal.expected for removal in removals)
        ((done,),) = self._query(_REMOVE, *_names(removals), expected)
        return list(done)

    def close(self) -> None:
        """Let go of the database; twice is once."""
        self._link.close()

    def _sweeps(self) -> bool:
        now = self._clock.monotonic()
        sweeps = now - self._swept >= _BETWEEN_SWEEPS
        self._swept = now if sweeps else self._swept
        return sweeps

    def _query(self, statement: str, *parameters: object) -> Rows:
        text = statement.replace("@", self._link.address.schema)
        return self._link.query(text, (self._timepiece.told(), *parameters))


def _names(items: Sequence[Write | Addition | Removal]) -> tuple[list[str], list[str]]:
    return [item.space for item in items], [item.key for item in items]


def _fact(row: tuple[Any, ...]) -> Fact:
    space, key, version, value, amounts, left = row
    if amounts is None:
        return Fact(space=space, key=key, version=version, left=left, value=value or b"")
    counted = MappingProxyType(json.loads(amounts))
    return Fact(space=space, key=key, version=version, left=left, amounts=counted)
