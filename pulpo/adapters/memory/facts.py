"""The facts beside a queue in memory: kept by space and key, forgotten at their end.

Every method is called with `lock` held. Checks nothing; knows no jobs. Imports nothing of the port,
so that a queue in memory costs no more for those who never ask.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping
from threading import Lock
from typing import NamedTuple

from pulpo.clock import Clock

__all__ = ["Entry", "Facts"]


class Entry(NamedTuple):
    """What is kept of one fact; `end` is a monotonic second."""

    version: int
    end: float
    value: bytes
    amounts: Mapping[str, float]


class Facts:
    """All facts of one engine."""

    def __init__(self, clock: Clock) -> None:
        self.lock = Lock()
        self.clock = clock
        self._versions = itertools.count(1)
        self._spaces: dict[str, dict[str, Entry]] = {}

    def find(self, space: str, key: str) -> Entry | None:
        """Return a fact that has not ended."""
        return self.living(space).get(key)

    def put(
        self, space: str, key: str, value: bytes, amounts: Mapping[str, float], lasts: float | None
    ) -> Entry:
        """Keep a fact in the place of the one before."""
        end = math.inf if lasts is None else self.clock.monotonic() + lasts
        entry = Entry(next(self._versions), end, value, amounts)
        self._spaces.setdefault(space, {})[key] = entry
        return entry

    def remove(self, space: str, key: str) -> None:
        """Forget a fact that is there."""
        del self._spaces[space][key]

    def living(self, space: str) -> Mapping[str, Entry]:
        """Return the facts of a space, after those that have ended were forgotten."""
        facts = self._spaces.get(space, {})
        now = self.clock.monotonic()
        for key in [key for key, entry in facts.items() if entry.end <= now]:
            del facts[key]
        return facts
