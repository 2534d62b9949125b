"""A look at a queue in PostgreSQL for `pulpo doctor`: the server, the schema, what is in it.

Reads only, and makes nothing, also where the URL says `create=1`. What is judged is in `verdicts`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import psycopg
from psycopg import sql
from psycopg.rows import dict_row

from pulpo.adapters.postgresql import census, verdicts
from pulpo.adapters.postgresql.address import Address
from pulpo.adapters.postgresql.link import Link
from pulpo.adapters.postgresql.looking import Looker
from pulpo.adapters.postgresql.migrating import version_of
from pulpo.adapters.postgresql.steps import STEPS
from pulpo.adapters.postgresql.timepiece import Timepiece
from pulpo.adapters.postgresql.troubles import unreached
from pulpo.checkup import Finding, judge_queues, ok
from pulpo.clock import Clock

__all__ = ["examine"]

_SERVER = """
SELECT current_setting('server_version_num')::integer AS number,
    current_setting('server_version') AS version,
    current_setting('server_encoding') AS encoding,
    pg_is_in_recovery() AS standby,
    current_setting('fsync') AS fsync,
    current_setting('full_page_writes') AS full_page_writes,
    current_setting('synchronous_commit') AS synchronous_commit,
    current_setting('synchronous_standby_names') AS standbys,
    current_setting('autovacuum') AS autovacuum,
    extract(epoch FROM current_setting('autovacuum_naptime')::interval)::float8 AS naptime,
    current_setting('max_connections')::integer AS most,
    (SELECT count(*) FROM pg_stat_activity)::integer AS connections,
    pg_backend_pid() AS pid,
    extract(epoch FROM clock_timestamp())::float8 AS now
"""
# What keeps vacuum from what is gone: the oldest transaction of anybody in this database.
_OLDEST = """
SELECT coalesce(max(extract(epoch FROM clock_timestamp() - xact_start)), 0)::float8
FROM pg_stat_activity
WHERE datname = current_database() AND backend_xmin IS NOT NULL AND pid <> pg_backend_pid()
"""
_TABLE = """
SELECT coalesce(n_live_tup, 0), coalesce(n_dead_tup, 0), pg_total_relation_size(relid)
FROM pg_stat_user_tables WHERE schemaname = %s AND relname = 'jobs'
"""


def examine(address: Address, clock: Clock, timepiece: Timepiece) -> Iterator[Finding]:
    """Yield what a look finds; raises `QueueError` where the server is out of reach."""
    try:
        with psycopg.connect(address.conninfo, autocommit=True) as connection:
            server = _server(connection)
            yield from verdicts.judge_server(server)
            yield verdicts.judge_clock(float(server["now"]) - clock.wall())
            yield verdicts.judge_session(
                pooled=address.pooled, direct=server["pid"] == connection.info.backend_pid
            )
            version = version_of(connection, address.schema)
            yield verdicts.judge_schema(address.schema, version, len(STEPS))
            if not version:
                return
            yield verdicts.judge_vacuum(server, *_dead_rows(connection, address.schema))
            ((oldest,),) = connection.execute(_OLDEST).fetchall()
            yield verdicts.judge_oldest(float(oldest))
            alive, dead = _owners(connection, address.schema)
    except psycopg.Error as error:
        raise unreached(error, address.shown) from error
    yield verdicts.judge_owners(alive, dead)
    yield from _queues(address, timepiece, alive=alive)


def _server(connection: psycopg.Connection[Any]) -> dict[str, Any]:
    found = connection.cursor(row_factory=dict_row).execute(_SERVER).fetchone()
    assert found is not None
    return found


def _dead_rows(connection: psycopg.Connection[Any], schema: str) -> tuple[int, int, int]:
    found = connection.execute(_TABLE, (schema,)).fetchone() or (0, 0, 0)
    return int(found[0]), int(found[1]), int(found[2])


def _owners(connection: psycopg.Connection[Any], schema: str) -> tuple[int, int]:
    query = sql.SQL("SELECT count(*) FROM {}").format(sql.Identifier(schema, "owners"))
    dead = sql.SQL("SELECT count(*) FROM {}(NULL, 0, false)").format(
        sql.Identifier(schema, "dead_1")
    )
    ((all_of_them,),), ((gone,),) = (connection.execute(q).fetchall() for q in (query, dead))
    return int(all_of_them) - int(gone), int(gone)


def _queues(address: Address, timepiece: Timepiece, *, alive: int) -> Iterator[Finding]:
    link = Link(replace(address, creates=False), lambda: None)
    try:
        look = Looker(link, timepiece).look()
        names = census.queues(look)
        counted = [census.stats(look, name) for name in names]
    finally:
        link.close()
    yield ok("queues", f"{len(names)}", "as many as you like: a queue costs nothing")
    yield from judge_queues(counted, () if alive else set(names), keeps_pause=True)
