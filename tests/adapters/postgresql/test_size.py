"""The work of a claim, counted in the pages that it reads: it does not grow with the queue."""

from __future__ import annotations

from contextlib import closing
from typing import Any, cast

import psycopg
import pytest

from bench.churn import claim_pages
from bench.churn import main as churn
from pulpo.adapter import QueueAdapter
from pulpo.adapters import open_engine
from pulpo.identity import new_ids
from pulpo.job import NewJob, Settlement, Verb
from tests.lab.postgresql import PostgreSQL


def put(adapter: QueueAdapter, count: int, queue: str = "bench", delay: float = 0.0) -> None:
    for start in range(0, count, 5_000):
        ids = new_ids(min(5_000, count - start))
        adapter.put([NewJob(id=i, type="t", queue=queue, body=b"x", delay=delay) for i in ids])


def test_a_claim_costs_the_same_in_a_long_queue(
    postgresql: PostgreSQL, postgresql_url: str
) -> None:
    with (
        closing(open_engine(postgresql_url).adapter()) as adapter,
        psycopg.connect(postgresql.url, autocommit=True) as watch,
    ):
        put(adapter, 1_000)
        watch.execute("VACUUM ANALYZE pulpo.jobs")  # statistics of a short queue, as they would be
        few, _ = claim_pages(watch)
        put(adapter, 60_000)
        put(adapter, 20_000, queue="other")
        put(adapter, 20_000, delay=3_600.0)

        many, _ = claim_pages(watch)

    assert 10 < few < 400
    # An index may be a level deeper: two pages for each of its four, for each of ten jobs.
    assert many <= few + 80


def several_queues_claim_pages(watch: psycopg.Connection[tuple[object, ...]]) -> int:
    def pages() -> int:
        with watch.transaction(force_rollback=True):
            ((seen,),) = watch.execute(
                "EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) SELECT * FROM pulpo.trade_1("
                "NULL, 0, 0, '{}', '{}', '{a,b,c}', 10, false, false, false, false)"
            ).fetchall()
        plan = cast(Any, seen)[0]["Plan"]
        return int(plan["Shared Hit Blocks"] + plan["Shared Read Blocks"])

    return min(pages() for _ in range(3))


@pytest.mark.parametrize("known", ["nothing", "an empty table", "a full one"])
def test_a_claim_over_several_queues_costs_the_same_in_long_ones(
    postgresql: PostgreSQL, postgresql_url: str, known: str
) -> None:
    """Whatever the statistics were made of: they are older than what is in the queue."""
    with (
        closing(open_engine(postgresql_url).adapter()) as adapter,
        psycopg.connect(postgresql.url, autocommit=True) as watch,
    ):
        if known != "nothing":
            put(adapter, 20_000, "a")
            if known == "an empty table":
                watch.execute("DELETE FROM pulpo.jobs")
            watch.execute("ANALYZE pulpo.jobs")
            watch.execute("DELETE FROM pulpo.jobs")
        for queue in "abc":
            put(adapter, 500, queue)
        few = several_queues_claim_pages(watch)
        for queue in "abc":
            put(adapter, 20_000, queue)

        many = several_queues_claim_pages(watch)

    assert many <= few + 80


def test_what_is_settled_leaves_no_row(postgresql: PostgreSQL, postgresql_url: str) -> None:
    with closing(open_engine(postgresql_url).adapter()) as adapter:
        put(adapter, 300)
        _, jobs = adapter.exchange([], ["bench"], limit=300, timeout=0)
        adapter.exchange([Settlement(Verb.DELETE, job) for job in jobs], [], limit=0, timeout=0)

    assert postgresql.psql("SELECT count(*) FROM pulpo.jobs") == "0"


@pytest.mark.usefixtures("postgresql_program")
def test_the_churn_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    assert churn(["--n", "4000", "--waiting", "1000", "--looks", "2"]) == 0

    said = capsys.readouterr().out
    assert "4,000" in said
    assert "pages: " in said
