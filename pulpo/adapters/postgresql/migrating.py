"""Bringing a schema to the newest version, and finding out which one it has.

Nothing is made by surprise: without `create=1` in the URL only `pulpo migrate` makes tables.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import psycopg
from psycopg import sql

from pulpo.adapters.postgresql.address import Address
from pulpo.adapters.postgresql.steps import STEPS, Step, in_a_new_schema, statements
from pulpo.adapters.postgresql.troubles import missing_schema, unreached
from pulpo.errors import QueueUnusableError

__all__ = ["look_after", "migrate", "migrate_at", "version_of"]

_OLDEST = 130_000
_WHAT_IT_IS = """
SELECT current_setting('server_version_num')::integer, current_setting('server_encoding'),
    pg_is_in_recovery(), pg_backend_pid(), to_regclass(%s) IS NOT NULL
"""
_ONE_AT_A_TIME = "SELECT pg_advisory_lock(hashtext(%s))"
_NEXT_ONE = "SELECT pg_advisory_unlock(hashtext(%s))"
# A step that has to wait for somebody's lock keeps everybody else waiting behind it: it gives up.
_LITTLE_PATIENCE = "SET LOCAL lock_timeout = '3s'"

Connection = psycopg.Connection[tuple[Any, ...]]


def look_after(connection: Connection, address: Address) -> int:
    """See that there is a queue that this pulpo can use; return the server process's number.

    Makes it where the URL says so. Raises `QueueUnusableError`, or psycopg's own errors.
    """
    facts = _facts(connection, address.schema)
    _check(facts, address)
    *_, pid, exists = facts
    found = version_of(connection, address.schema) if exists else 0
    if found < len(STEPS):
        if not address.creates:
            what = f"it has version {found}, this pulpo needs {len(STEPS)}"
            raise missing_schema(
                address.schema, address.shown, found=what if found else "there are no tables"
            )
        migrate(connection, address.schema)
    return int(pid)


def _check(facts: tuple[Any, ...], address: Address) -> None:
    """Raise where the server is none that a queue can be on."""
    version, encoding, standby, *_ = facts
    if version < _OLDEST:
        raise QueueUnusableError(
            f"PostgreSQL 13 or newer is needed, this is {version // 10_000}: {address.shown}"
        )
    if encoding != "UTF8":
        raise QueueUnusableError(
            f"the database's encoding must be UTF8, not {encoding!r}: {address.shown}"
        )
    if standby:
        raise psycopg.OperationalError(
            "the server is a standby, which takes no writes: "
            "target_session_attrs=read-write in the URL finds the primary"
        )


def version_of(connection: Connection, schema: str) -> int:
    """Return the version of a schema, 0 where there is none."""
    if not _facts(connection, schema)[4]:
        return 0
    query = sql.SQL("SELECT coalesce(max(version), 0) FROM {}").format(
        sql.Identifier(schema, "versions")
    )
    row = connection.execute(query).fetchone()
    return int(row[0]) if row else 0


def migrate(
    connection: Connection,
    schema: str,
    steps: Sequence[Step] = STEPS,
    say: Callable[[int], None] = lambda _: None,
) -> int:
    """Take every step that is missing, one caller at a time; return how many were taken.

    `say` is called with each version that was reached. A step is a transaction, and gives up after
    3 s of waiting for a lock. The connection must commit by itself.
    """
    lock = f"pulpo:{schema}:migrate"
    connection.execute(_ONE_AT_A_TIME, (lock,))
    try:
        after = version_of(connection, schema)
        for version, step in enumerate(steps[after:], after + 1):
            _take(connection, schema, version, step if after else in_a_new_schema(step))
            say(version)
        return max(len(steps) - after, 0)
    finally:
        if not connection.closed:
            connection.execute(_NEXT_ONE, (lock,))


def migrate_at(address: Address, say: Callable[[int], None]) -> tuple[int, int]:
    """Take every step that is missing at an address; return the version, and how many were taken.

    Raises `QueueUnavailableError`; what was taken before stays.
    """
    try:
        with psycopg.connect(address.conninfo, autocommit=True) as connection:
            _check(_facts(connection, address.schema), address)
            taken = migrate(connection, address.schema, say=say)
            return version_of(connection, address.schema), taken
    except psycopg.Error as error:
        raise unreached(error, address.shown) from error


def _take(connection: Connection, schema: str, version: int, step: Step) -> None:
    if not step.is_atomic:
        for statement in statements(schema, version, step):
            connection.execute(statement.encode())
        return
    with connection.transaction():
        connection.execute(_LITTLE_PATIENCE)
        for statement in statements(schema, version, step):
            connection.execute(statement.encode())


def _facts(connection: Connection, schema: str) -> tuple[Any, ...]:
    row = connection.execute(_WHAT_IT_IS, (f"{schema}.versions",)).fetchone()
    assert row is not None
    return row
