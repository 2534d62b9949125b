"""Bare loops on PostgreSQL with psycopg: the least table and statements that make a queue of it.

One partial index over what is ready. Producers commit as the server does by default; consumers do
not wait for the disk, as a queue may whose claims need not survive a power cut. They are told by
NOTIFY, and that only where one listens.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from typing import Any

import psycopg

from bench.bare.consume import Swap, Taken

__all__ = ["FIRST_PUT", "create", "put", "putter", "serve", "taker"]

Run = Callable[[bytes], object]
Connection = psycopg.Connection[tuple[Any, ...]]

FIRST_PUT = """\
import psycopg
with psycopg.connect("{url}") as connection:
    connection.execute(
        "INSERT INTO bare (queue, priority, ready_at, body) VALUES ('default', 65536, now(), '0')"
    )
"""

_TABLE = """
CREATE TABLE IF NOT EXISTS bare (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, queue text NOT NULL,
    priority bigint NOT NULL, ready_at timestamptz NOT NULL, state smallint NOT NULL DEFAULT 0,
    lease timestamptz, body bytea NOT NULL
) WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 20000,
    autovacuum_vacuum_cost_delay = 0);
CREATE INDEX IF NOT EXISTS bare_ready ON bare (queue, priority, ready_at, id) WHERE state = 0;
"""
_PUT = "INSERT INTO bare (queue, priority, ready_at, body) VALUES ('default', 65536, now(), %b)"
_PUT_AND_TELL = f"WITH put AS ({_PUT}) SELECT pg_notify('bare', '')"
_COPY = "COPY bare (queue, priority, ready_at, body) FROM STDIN (FORMAT BINARY)"
_SWAP = """
WITH gone AS (DELETE FROM bare WHERE id = ANY (%b::bigint[])),
first AS (
    SELECT id FROM bare WHERE state = 0 AND queue = 'default' AND ready_at <= now()
    ORDER BY priority, ready_at, id LIMIT %b::integer FOR UPDATE SKIP LOCKED
)
UPDATE bare SET state = 1, lease = now() + interval '1 minute' FROM first
WHERE bare.id = first.id RETURNING bare.id, bare.body
"""
_LISTENS = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'bare consumer'"


def _open(url: str, name: str = "bare") -> Connection:
    return psycopg.connect(url, autocommit=True, application_name=name)


def create(url: str) -> None:
    """Make the table, so that nobody's first statement pays for it."""
    with closing(_open(url)) as connection:
        connection.execute(_TABLE)


@contextmanager
def putter(url: str) -> Iterator[Callable[[bytes], object]]:
    """Insert and commit one job, and tell whoever listened when this began."""
    with closing(_open(url)) as connection:
        cursor = connection.cursor(binary=True)
        ((listening,),) = connection.execute(_LISTENS).fetchall()
        put = _PUT_AND_TELL if listening else _PUT
        yield lambda body: cursor.execute(put, (body,), prepare=True)


def put(url: str, bodies: Sequence[bytes], size: int, delay: float = 0) -> None:
    """COPY `size` jobs a transaction, due after `delay` seconds."""
    with closing(_open(url)) as connection:
        for start in range(0, len(bodies), size):
            ((due,),) = connection.execute(
                "SELECT now() + make_interval(secs => %s)", (float(delay),)
            ).fetchall()
            with connection.cursor().copy(_COPY) as copy:
                copy.set_types(["text", "int8", "timestamptz", "bytea"])
                for body in bodies[start : start + size]:
                    copy.write_row(("default", 65_536, due, body))
        connection.execute("SELECT pg_notify('bare', '')")


@contextmanager
def taker(url: str) -> Iterator[Swap]:
    """Delete the last batch and claim the next in one statement."""
    with closing(_open(url, f"bare taker {os.getpid()}")) as connection:
        yield _swapper(connection)


def _swapper(connection: Connection) -> Swap:
    connection.execute("SET synchronous_commit = off")
    connection.execute("SET enable_seqscan = off")  # of an empty table the planner thinks so
    cursor = connection.cursor(binary=True)

    def swap(done: Sequence[Taken], size: int) -> list[Taken]:
        ids = [psycopg.types.numeric.Int8(key) for key, _ in done]
        parameters = (ids, psycopg.types.numeric.Int4(size))
        while True:
            # SKIP LOCKED follows a row to a version that another is deleting, and waits for it.
            with suppress(psycopg.errors.DeadlockDetected):
                return cursor.execute(_SWAP, parameters, prepare=True).fetchall()

    return swap


def serve(url: str, run: Run, size: int) -> None:
    """Claim and delete for ever; with nothing ready, wait to be told."""
    done: list[Taken] = []
    with closing(_open(url, "bare consumer")) as connection:
        swap = _swapper(connection)
        connection.execute("LISTEN bare")
        while True:
            done = swap(done, size)
            for _, body in done:
                run(body)
            if not done:
                for _ in connection.notifies(timeout=5, stop_after=1):
                    break
