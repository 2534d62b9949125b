"""Whether a queue in PostgreSQL stays small: `./dev bench churn [--n 18000000] [--waiting 10000]`.

Jobs go in and out as fast as it goes, by batches of 1,000 and of 50, while some always wait: 18
million are an hour at 5,000 a second. A line now and then says how large the table and its indexes
are, and what a claim costs: pages that it reads, by the server's own count, and milliseconds. The
last one compares the end with the first tenth.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from statistics import median
from typing import Any

import psycopg

from bench.place import missing, open_place
from pulpo.adapter import QueueAdapter
from pulpo.adapters import open_engine
from pulpo.identity import new_ids
from pulpo.job import NewJob, Settlement, Verb

__all__ = ["claim_pages", "main"]

_CHUNK, _BATCH = 1_000, 50
_BODY = b"x" * 100
_SIZES = """
SELECT pg_table_size('pulpo.jobs'), pg_indexes_size('pulpo.jobs'),
    (SELECT n_dead_tup FROM pg_stat_user_tables WHERE relid = 'pulpo.jobs'::regclass)
"""
_CLAIM = """
EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) SELECT * FROM pulpo.trade_1(
    NULL, 0, 0, '{}', '{}', '{bench}', 10, false, false, false, false)
"""


@dataclass(frozen=True, slots=True)
class _Look:
    jobs: int
    rate: float
    table: int
    indexes: int
    dead: int
    pages: int
    milliseconds: float

    @property
    def text(self) -> str:
        return (
            f"{self.jobs:>12,} {self.rate:>9,.0f} {self.table / 2**20:>9.1f} "
            f"{self.indexes / 2**20:>9.1f} {self.dead:>10,} {self.pages:>7,} "
            f"{self.milliseconds:>7.2f}"
        )


_HEAD = "        jobs    jobs/s  table MB  index MB  dead rows   pages  ms/claim"


def main(arguments: Sequence[str]) -> int:
    """Let jobs go through, and say how the queue looks."""
    parser = argparse.ArgumentParser(prog="./dev bench churn", description=__doc__)
    parser.add_argument("--n", type=int, default=1_000_000, help="jobs [%(default)s]")
    parser.add_argument("--waiting", type=int, default=10_000, help="always there [%(default)s]")
    parser.add_argument("--looks", type=int, default=20, help="lines [%(default)s]")
    asked = parser.parse_args(arguments)
    if reason := missing("postgresql"):
        parser.exit(1, f"not measured: {reason}\n")
    with (
        open_place("postgresql") as place,
        closing(open_engine(place.url).adapter()) as adapter,
        psycopg.connect(place.url.partition("?")[0], autocommit=True) as watch,
    ):
        looks = _churn(adapter, watch, asked.n, asked.waiting, asked.looks)
    early, late = looks[: max(1, len(looks) // 10)], looks[-max(1, len(looks) // 4) :]
    for name in ("table", "indexes", "pages"):
        first, last = (median(getattr(look, name) for look in part) for part in (early, late))
        print(f"{name}: {first:,.0f} in the first tenth, {last:,.0f} in the last quarter")
    return 0


def _churn(
    adapter: QueueAdapter, watch: psycopg.Connection[Any], n: int, waiting: int, count: int
) -> list[_Look]:
    _put(adapter, waiting)
    looks: list[_Look] = []
    done, seen, since = 0, 0, time.monotonic()
    print(_HEAD, flush=True)
    while done < n:
        _put(adapter, _CHUNK)
        done += _take(adapter, _CHUNK)
        if done >= (len(looks) + 1) * n // count:
            rate = (done - seen) / (time.monotonic() - since)
            looks.append(_look(watch, done, rate))
            print(looks[-1].text, flush=True)
            seen, since = done, time.monotonic()
    return looks


def _put(adapter: QueueAdapter, count: int) -> None:
    for start in range(0, count, _CHUNK):
        keys = new_ids(min(_CHUNK, count - start))
        adapter.put([NewJob(id=key, type="churn", queue="bench", body=_BODY) for key in keys])


def _take(adapter: QueueAdapter, count: int) -> int:
    """Run so many jobs, a batch at a time, each batch settled with the claim of the next."""
    taken, done = 0, []
    while taken < count:
        answers, jobs = adapter.exchange(done, ["bench"], limit=_BATCH, timeout=0)
        assert all(answer is True for answer in answers)
        assert jobs
        done = [Settlement(Verb.DELETE, job) for job in jobs]
        taken += len(jobs)
    adapter.exchange(done, [], limit=0, timeout=0)
    return taken


def _look(watch: psycopg.Connection[Any], done: int, rate: float) -> _Look:
    ((table, indexes, dead),) = watch.execute(_SIZES).fetchall()
    pages, milliseconds = claim_pages(watch)
    return _Look(done, rate, table, indexes, dead, pages, milliseconds)


def claim_pages(watch: psycopg.Connection[Any]) -> tuple[int, float]:
    """Claim ten jobs, and undo it; return the pages that it has read, and the milliseconds."""
    found: list[tuple[int, float]] = []
    for _ in range(3):  # the first one in a session makes the plans
        with watch.transaction(force_rollback=True):
            ((said,),) = watch.execute(_CLAIM).fetchall()
        plan = (json.loads(said) if isinstance(said, str) else said)[0]
        pages = plan["Plan"]["Shared Hit Blocks"] + plan["Plan"]["Shared Read Blocks"]
        found.append((pages, plan["Execution Time"]))
    return min(found)
