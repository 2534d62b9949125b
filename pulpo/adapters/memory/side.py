"""The side store of a queue in memory: all of one engine, each in its thread, share the facts."""

from __future__ import annotations

import math
from collections.abc import Sequence
from types import MappingProxyType

from pulpo.adapters.memory.facts import Entry, Facts
from pulpo.errors import QueueUnavailableError
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

__all__ = ["MemorySide"]


class MemorySide:
    """A door to the facts of one engine, for one thread."""

    def __init__(self, facts: Facts) -> None:
        self._facts = facts
        self._closed = False

    @property
    def is_whole(self) -> bool:
        """True: whoever works on a queue in memory is in its process."""
        return True

    @property
    def guards(self) -> bool:
        """True, for the same reason."""
        return True

    def write(self, writes: Sequence[Write]) -> Sequence[Written]:
        """Write facts, all at once for whoever looks."""
        check_writes(writes)
        self._check_open()
        with self._facts.lock:
            return [self._write(write) for write in writes]

    def add(self, additions: Sequence[Addition]) -> None:
        """Add to numbers, all at once for whoever looks."""
        check_additions(additions)
        self._check_open()
        with self._facts.lock:
            for addition in additions:
                self._add(addition)

    def read(self, space: str, keys: Sequence[str]) -> Sequence[Fact | None]:
        """Return the facts with these keys."""
        check_space(space)
        check_keys(keys)
        self._check_open()
        with self._facts.lock:
            facts = self._facts.living(space)
            return [self._fact(space, key, facts[key]) if key in facts else None for key in keys]

    def scan(
        self, space: str, *, first: str = "", before: str | None = None, limit: int | None = None
    ) -> Sequence[Fact]:
        """Return the facts of a space in the order of their keys."""
        check_space(space)
        self._check_open()
        with self._facts.lock:
            facts = self._facts.living(space)
            keys = sorted(key for key in facts if key >= first and (before is None or key < before))
            most = None if limit is None else max(limit, 0)
            return [self._fact(space, key, facts[key]) for key in keys[:most]]

    def remove(self, removals: Sequence[Removal]) -> Sequence[bool]:
        """Remove facts, all at once for whoever looks."""
        check_removals(removals)
        self._check_open()
        with self._facts.lock:
            return [self._remove(removal) for removal in removals]

    def close(self) -> None:
        """Let go of the facts, which stay with the engine."""
        self._closed = True

    def _check_open(self) -> None:
        if self._closed:
            raise QueueUnavailableError("the side store was closed")

    def _write(self, write: Write) -> Written:
        found = self._facts.find(write.space, write.key)
        version = ABSENT if found is None else found.version
        if write.expected is None or write.expected == version:
            put = self._facts.put(write.space, write.key, write.value, {}, write.lasts)
            return Written(True, self._fact(write.space, write.key, put))
        return Written(False, found and self._fact(write.space, write.key, found))

    def _add(self, addition: Addition) -> None:
        found = self._facts.find(addition.space, addition.key)
        amounts = dict(found.amounts) if found is not None else {}
        for name, amount in addition.amounts.items():
            amounts[name] = amounts.get(name, 0) + amount
        self._facts.put(addition.space, addition.key, b"", amounts, addition.lasts)

    def _remove(self, removal: Removal) -> bool:
        found = self._facts.find(removal.space, removal.key)
        if found is None or removal.expected not in (None, found.version):
            return False
        self._facts.remove(removal.space, removal.key)
        return True

    def _fact(self, space: str, key: str, entry: Entry) -> Fact:
        left = None if entry.end == math.inf else entry.end - self._facts.clock.monotonic()
        return Fact(
            space=space,
            key=key,
            version=entry.version,
            left=left,
            value=entry.value,
            amounts=MappingProxyType(entry.amounts),
        )
