"""Looking at all jobs of a queue file, at some from all over it first: whoever stops has a sample.

By ranges of numbers, since a number says nothing of state or queue. Reads only.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Iterator
from functools import partial

from pulpo.adapters.sqlite.census import SEEN, shown
from pulpo.adapters.sqlite.rows import Moment
from pulpo.adapters.sqlite.walking import PAGE, Look
from pulpo.job import ListedJob
from pulpo.spread import spread

__all__ = ["sample"]

# The walk keeps its place in each window: jobs that lie close together fill more pages of one.
_MOST_WINDOWS = 4_096
_ENDS = "SELECT min(number), max(number) FROM jobs"
_PAGE = f"""
SELECT {SEEN} FROM jobs WHERE number > ? AND number <= ? ORDER BY number LIMIT {PAGE}
"""


def sample(look: Look) -> Iterator[list[ListedJob]]:
    """Yield every job, in pages; `look` makes each in a transaction of its own.

    So no sample keeps SQLite from shortening its log.
    """
    windows = look(_windows)
    while windows:
        unfinished = []
        for after, until in windows:
            page = look(partial(_page, after=after, until=until))
            yield page
            if len(page) == PAGE:
                unfinished.append((page[-1].number, until))
        windows = unfinished


def _windows(
    connection: sqlite3.Connection, _: Moment, __: Collection[int]
) -> list[tuple[int, int]]:
    """Return ranges of numbers that hold all jobs: after, and up to; the first ones far apart."""
    lowest, highest = connection.execute(_ENDS).fetchone()
    if lowest is None:
        return []
    count = highest - lowest + 1
    size = max(PAGE, -(-count // _MOST_WINDOWS))
    starts = (lowest - 1 + place * size for place in spread(-(-count // size)))
    return [(start, min(start + size, highest)) for start in starts]


def _page(
    connection: sqlite3.Connection, now: Moment, dead: Collection[int], *, after: int, until: int
) -> list[ListedJob]:
    return [shown(row, now, dead) for row in connection.execute(_PAGE, (after, until))]
