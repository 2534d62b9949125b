"""The file queue at its edges: full, locked, forked, read by others, with very many queues."""

from __future__ import annotations

import contextlib
import os
import sqlite3
from pathlib import Path

import pytest

from pulpo.adapters.sqlite import connecting, database
from pulpo.adapters.sqlite import statements as sql
from pulpo.adapters.sqlite.adapter import SQLiteAdapter
from pulpo.adapters.sqlite.admin import SQLiteAdmin
from pulpo.adapters.sqlite.pace import SyncPace
from pulpo.errors import QueueError, QueueFullError, QueueUnavailableError
from pulpo.job import JobState, Settlement, Verb
from tests.adapters.sqlite.conftest import Open
from tests.adapters.sqlite.jobs import bodies, delete, new, put, reserve


def fill(adapter: SQLiteAdapter) -> None:
    """Let the file be as large as it may become, as on a full disk."""
    connection = adapter._database.connection
    (pages,) = connection.execute("PRAGMA page_count").fetchone()
    connection.execute(f"PRAGMA max_page_count = {pages}")


def test_a_put_into_a_full_file_is_refused_in_its_place(
    adapter: SQLiteAdapter, admin: SQLiteAdmin
) -> None:
    put(adapter, new(b"kept"))
    fill(adapter)

    (answer,) = adapter.put([new(b"x" * 60_000)])

    assert isinstance(answer, QueueFullError)
    assert [job.body for job in admin.list()] == [b"kept"]


def test_a_retry_that_a_full_file_refuses_keeps_the_old_job(
    adapter: SQLiteAdapter, admin: SQLiteAdmin
) -> None:
    old = new(b"old")
    put(adapter, old)
    (job,) = reserve(adapter)
    fill(adapter)
    retry = Settlement(Verb.REPLACE, job, rewritten=new(b"x" * 60_000, id=old.id))

    answers, _ = adapter.exchange([retry], (), limit=0, timeout=0.0)

    assert [isinstance(answer, QueueError) for answer in answers] == [True]
    assert [(seen.state, seen.body) for seen in admin.list()] == [(JobState.RESERVED, b"old")]
    assert delete(adapter, [job]) == [True]


def test_who_cannot_write_for_too_long_says_that_the_file_is_locked(
    path: Path, adapter: SQLiteAdapter, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database, "PATIENCE", 0.05)
    put(adapter, new())
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")

        with pytest.raises(QueueUnavailableError, match="locked"):
            adapter.put([new()])

    put(adapter, new())


def test_a_frozen_writer_is_not_waited_for_without_end(
    open_adapter: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database, "PATIENCE", 0.05)
    frozen, adapter = open_adapter(), open_adapter()
    put(frozen, new())
    put(adapter, new())

    assert frozen._database._lock.take(1.0)
    try:
        with pytest.raises(QueueUnavailableError, match="locked"):
            adapter.put([new()])
    finally:
        frozen._database._lock.give()


def test_a_forked_child_holds_nothing_and_takes_nothing_from_its_parent(
    adapter: SQLiteAdapter, admin: SQLiteAdmin
) -> None:
    put(adapter, new(b"the parent's"))
    (job,) = reserve(adapter)

    child = os.fork()
    if child == 0:
        try:
            refused = delete(adapter, [job]) == [False]
            put(adapter, new(b"the child's"))
            adapter.close()
            os._exit(0 if refused else 1)
        finally:
            os._exit(2)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0

    assert delete(adapter, [job]) == [True]
    assert [job.body for job in admin.list()] == [b"the child's"]
    assert bodies(reserve(adapter)) == [b"the child's"]


def test_over_very_many_queues_the_most_urgent_comes_first(adapter: SQLiteAdapter) -> None:
    queues = [f"queue-{number}" for number in range(3 * sql.MOST_QUEUES)]
    put(
        adapter,
        *[new(queue.encode(), queue=queue, priority=n % 7) for n, queue in enumerate(queues)],
    )

    found = reserve(adapter, 10, queues)

    assert bodies(found) == [f"queue-{number}".encode() for number in range(0, 70, 7)]


def test_a_queue_that_is_named_twice_gives_its_jobs_once(adapter: SQLiteAdapter) -> None:
    put(adapter, new(b"a"), new(b"b"))

    assert bodies(reserve(adapter, 9, ["default", "other", "default"])) == [b"a", b"b"]


def test_two_jobs_with_one_id_are_both_deleted_by_it(
    adapter: SQLiteAdapter, admin: SQLiteAdmin
) -> None:
    twice = new()
    put(adapter, twice)
    put(adapter, twice)

    assert list(admin.delete([twice.id])) == [True]
    assert admin.stats("default").ready == 0


def test_a_fence_tells_a_reused_number_from_the_job_that_had_it(adapter: SQLiteAdapter) -> None:
    put(adapter, new(b"first"))
    (first,) = reserve(adapter)
    assert delete(adapter, [first]) == [True]
    put(adapter, new(b"second"))
    (second,) = reserve(adapter)

    assert first.number == second.number
    assert delete(adapter, [first]) == [False]
    assert delete(adapter, [second]) == [True]


def test_a_reader_in_the_way_delays_no_writer_and_the_log_shrinks_after_it(
    path: Path, adapter: SQLiteAdapter, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(adapter, new())
    log = path.with_name("queue.db-wal")
    body = b"x" * 60_000

    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as reader:
        reader.execute("BEGIN")
        reader.execute("SELECT count(*) FROM jobs").fetchone()
        for _ in range(6):
            put(adapter, *[new(body) for _ in range(50)])
        grown = log.stat().st_size
    while jobs := reserve(adapter, 100):
        delete(adapter, jobs)
    for _ in range(70):
        put(adapter, new(body))

    assert grown > connecting.MOST_WAL_BYTES
    assert log.stat().st_size <= connecting.MOST_WAL_BYTES


def test_no_query_of_the_worker_walks_over_all_jobs(adapter: SQLiteAdapter) -> None:
    put(adapter, new())
    connection = adapter._database.connection
    queries = [
        (sql.candidates(1), ("a", 1)),
        (sql.candidates(3), ("a", "b", "c", 1)),
        (sql.is_ready(2), ("a", "b")),
        (sql.NEXT_DUE, (1,)),
        (sql.DUE, (1, 0.0)),
        (sql.EXPIRED, (0.0, 1)),
        (sql.HOLDERS, ()),
        (sql.HELD, (1,)),
    ]

    for query, parameters in queries:
        plan = [row[3] for row in connection.execute(f"EXPLAIN QUERY PLAN {query}", parameters)]
        assert not [step for step in plan if step.startswith("SCAN jobs")], query
        assert [step for step in plan if "INDEX ready" in step or "INDEX waiting" in step], query


def test_a_commit_is_synced_a_second_after_the_first_that_was_not() -> None:
    pace = SyncPace()

    assert not pace.is_due(100.0)
    pace.note(100.0, synced=False)
    pace.note(100.9, synced=False)
    assert [pace.is_due(now) for now in (100.9, 101.0)] == [False, True]
    pace.note(101.0, synced=True)
    assert not pace.is_due(200.0)
