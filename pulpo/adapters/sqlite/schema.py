"""The tables of a queue file, and how a file of an older version becomes one of this version.

A step is never changed once it was released: a new version is a new step at the end. Steps only
add, since old workers go on while new ones start.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

from pulpo.errors import QueueUnusableError

__all__ = ["APPLICATION_ID", "STEPS", "needs_upgrade", "upgrade"]

# "pulp" in ASCII; `file` and SQLite's header show it (https://sqlite.org/pragma.html).
APPLICATION_ID = 0x70756C70

# state: 0 ready, 1 delayed (by the boot's clock), 2 scheduled (by the wall clock), 3 reserved,
# 4 buried. moment, in seconds on the clock of the state: due, due, end of the lease, time of
# burial; NULL for a ready job. due_wall: when a delayed job is due if the machine starts anew
# before. number: may be given anew after the job is gone, and the highest is the newest. That is
# safe since no two reservations have the same owner and fence, so that a lost one settles nothing
# (AUTOINCREMENT would cost every put one more page). The checks are for what others write into the
# file: SQLite keeps any value in any column. One that cannot be read, or not be written back, would
# stop every worker, and a state without its moment would hide the job from everybody. No IN and no
# second CAST: they would cost every put and every claim half a microsecond each, a GLOB more.
_JOBS = """
CREATE TABLE IF NOT EXISTS jobs (
    number   INTEGER PRIMARY KEY,
    id       TEXT    NOT NULL,
    type     TEXT    NOT NULL,
    queue    TEXT    NOT NULL,
    priority INTEGER NOT NULL,
    state    INTEGER NOT NULL,
    moment   REAL,
    due_wall REAL,
    owner    INTEGER NOT NULL DEFAULT 0,
    fence    INTEGER NOT NULL DEFAULT 0,
    crashes  INTEGER NOT NULL DEFAULT 0,
    ttr      REAL    NOT NULL,
    expires  REAL,
    body     BLOB    NOT NULL,
    CHECK (
        typeof(id) = 'text' AND length(id) BETWEEN 1 AND 64 AND id NOT GLOB '*[^!-~]*'
        AND length(CAST(id AS BLOB)) = length(id)
        AND typeof(type) = 'text' AND typeof(body) = 'blob'
        AND typeof(queue) = 'text'
        AND (queue = 'default' OR (
            length(queue) <= 200 AND instr(queue, char(0)) = 0
            AND queue GLOB '[A-Za-z0-9]*' AND queue NOT GLOB '*[^A-Za-z0-9_.+/;$()-]*'
        ))
        AND typeof(priority) = 'integer' AND priority BETWEEN 0 AND 4294967295
        AND typeof(crashes) = 'integer' AND crashes BETWEEN -1000000 AND 1000000
        AND typeof(ttr) = 'real' AND ttr > 0 AND ttr < 9e999
    ),
    CHECK (
        typeof(state) = 'integer' AND state BETWEEN 0 AND 4
        AND typeof(moment) = CASE state WHEN 0 THEN 'null' ELSE 'real' END
        AND (state <> 1 OR typeof(due_wall) = 'real')
    )
)
"""
_READY = "CREATE INDEX IF NOT EXISTS ready ON jobs (queue, priority, number) WHERE state = 0"
# One index over all that is not ready: a put of a ready job has only this one test to pass.
_WAITING = """
CREATE INDEX IF NOT EXISTS waiting ON jobs (state, moment, queue, owner)
WHERE moment IS NOT NULL
"""
_IDS = "CREATE INDEX IF NOT EXISTS ids ON jobs (id)"
# Who holds jobs: `name` is the lock file that says whether it lives, `slot` its doorbell.
_OWNERS = """
CREATE TABLE IF NOT EXISTS owners (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    name   TEXT    NOT NULL UNIQUE,
    slot   INTEGER UNIQUE
)
"""
# moment: when a pause ends, by the boot's clock; NULL = never. until: the same by the wall clock,
# which counts if the machine starts anew before.
_PAUSES = """
CREATE TABLE IF NOT EXISTS pauses (queue TEXT PRIMARY KEY, moment REAL, until REAL) WITHOUT ROWID
"""
_FACTS = """
CREATE TABLE IF NOT EXISTS facts (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID
"""

# What is known beside the queue. version: never given anew, so that a compare-and-set takes no fact
# for another one. moment: its end by the clock of a boot, NULL = none; until: the same by the wall
# clock, which counts in every other boot. value: what was written; amounts: what was counted, a
# JSON object of numbers.
_SIDE = """
CREATE TABLE IF NOT EXISTS side (
    version INTEGER PRIMARY KEY AUTOINCREMENT,
    space   TEXT NOT NULL,
    key     TEXT NOT NULL,
    value   BLOB,
    amounts TEXT,
    boot    TEXT NOT NULL,
    moment  REAL,
    until   REAL,
    UNIQUE (space, key)
)
"""
_SIDE_ENDS = "CREATE INDEX IF NOT EXISTS side_ends ON side (boot, moment) WHERE moment IS NOT NULL"

# guard: the key that a job holds, until it is done (holds = 1) or started (holds = 2); NULL for a
# plain job. holds is negative while the key is free: the job is buried, or was started. A started
# one is seen by its fence, and marked only when somebody wants its key: no claim looks for guards.
_GUARD = "ALTER TABLE jobs ADD COLUMN guard TEXT"
_HOLDS = "ALTER TABLE jobs ADD COLUMN holds INTEGER"
_GUARDS = "CREATE UNIQUE INDEX IF NOT EXISTS guards ON jobs (guard) WHERE holds > 0"

# The n-th step makes version n of a file out of version n - 1.
STEPS: tuple[tuple[str, ...], ...] = (
    (_JOBS, _READY, _WAITING, _IDS, _OWNERS, _PAUSES, _FACTS),
    (_SIDE, _SIDE_ENDS),
    (_GUARD, _HOLDS, _GUARDS),
)

_WHAT_IT_IS = """
SELECT application_id, user_version, (SELECT count(*) FROM sqlite_schema)
FROM pragma_application_id, pragma_user_version
"""


def needs_upgrade(
    connection: sqlite3.Connection, path: str, steps: Sequence[Sequence[str]] = STEPS
) -> bool:
    """Tell whether the file is empty or older; refuse one that is newer or not a queue.

    Only inside a transaction that writes is the answer final: outside one another process may be
    making the file a queue just now, and a stranger is not told from a half-made queue.
    """
    application, version, tables = connection.execute(_WHAT_IT_IS).fetchone()
    if application != APPLICATION_ID:
        if connection.in_transaction and (application or version or tables):
            raise QueueUnusableError(f"a SQLite file, but not a queue of pulpo: {path!r}")
        return True
    if version > len(steps):
        raise QueueUnusableError(
            f"the queue file has version {version}, this pulpo knows versions up to "
            f"{len(steps)}; install a newer pulpo: {path!r}"
        )
    return bool(version < len(steps))


def upgrade(
    connection: sqlite3.Connection, path: str, steps: Sequence[Sequence[str]] = STEPS
) -> None:
    """Bring the file to the newest version, all of it or nothing."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        if needs_upgrade(connection, path, steps):  # again: somebody may have been faster
            version = connection.execute("PRAGMA user_version").fetchone()[0]
            for step in steps[version:]:
                for statement in step:
                    connection.execute(statement)
            connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
            connection.execute(f"PRAGMA user_version = {len(steps)}")
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise
