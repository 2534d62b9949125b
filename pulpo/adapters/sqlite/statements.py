"""Every statement that touches a job, named by its verb.

Plain SQL of 2020: no RETURNING, which a Python on an older system does not have. The states are
those of `pulpo.adapters.sqlite.rows.State`. A condition on `moment` stands wherever the index
over what waits is to be used: SQLite takes a partial index only where its own condition is
implied word for word (https://sqlite.org/partialindex.html, section 3).
"""

from __future__ import annotations

from functools import lru_cache

__all__ = [
    "BOOT",
    "CLAIM",
    "DELETE",
    "DUE",
    "EXPIRED",
    "HAND_BACK",
    "HELD",
    "HOLDERS",
    "HOLDS",
    "INSERT",
    "INSERT_READY",
    "LEASE_OVER",
    "LEAVE",
    "MOST_QUEUES",
    "NEW_BOOT",
    "NEXT_DUE",
    "PAUSES",
    "PROMOTE",
    "REBASE",
    "REBASE_PAUSES",
    "RELEASE",
    "RENEW",
    "SAY",
    "TAKE_BACK",
    "TOUCH",
    "candidates",
    "is_ready",
]

INSERT = """
INSERT INTO jobs (id, type, queue, priority, state, moment, due_wall, ttr, expires, body)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
"""

# The same for what is ready at once and never expires, without a NULL among the parameters.
INSERT_READY = """
INSERT INTO jobs (id, type, queue, priority, state, ttr, body) VALUES (?, ?, ?, ?, 0, ?, ?)
"""

# A reservation is a number, a fence and an owner: whoever lost it changes nothing.
_HELD = "WHERE number = ? AND fence = ? AND owner = ?"
DELETE = f"DELETE FROM jobs {_HELD}"
# A ready job that still has its owner is one whose lease ran out: a crash was counted, and a word
# of that owner takes it off again, while nobody else has taken the job.
RELEASE = f"""
UPDATE jobs SET crashes = crashes - (state = 0), state = 0, moment = NULL, owner = 0 {_HELD}
"""
# A run that ends with its process: the crash that will be counted for it is taken off before.
LEAVE = f"UPDATE jobs SET crashes = crashes - 1 {_HELD}"
TOUCH = f"UPDATE jobs SET crashes = crashes - (state = 0), state = 3, moment = ? + ttr {_HELD}"
HOLDS = f"SELECT 1 FROM jobs {_HELD}"

CLAIM = "UPDATE jobs SET state = 3, moment = ?, owner = ?, fence = ? WHERE number = ?"
RENEW = "UPDATE jobs SET crashes = crashes - 1, state = 3, moment = ? WHERE number = ?"
_SEEN = "j.number, j.queue, j.priority, j.ttr, j.crashes, j.body, j.owner, j.id"
_ONE_QUEUE = f"""
SELECT {_SEEN} FROM jobs AS j WHERE j.state = 0 AND j.queue = ?
ORDER BY j.priority, j.number LIMIT ?
"""
_EACH = "SELECT * FROM (SELECT priority, number FROM jobs WHERE state = 0 AND queue = ?{} "
_EACH += "ORDER BY priority, number LIMIT ?{})"

# SQLite joins at most 500 queries in one.
MOST_QUEUES = 200


@lru_cache(maxsize=256)
def candidates(queues: int) -> str:
    """Return the query for the most urgent ready jobs of so many queues, in their order.

    Its parameters are the names of the queues, then the limit. Each queue gives its first ones
    from its index, so the cost does not depend on how many jobs wait.
    """
    if queues == 1:
        return _ONE_QUEUE
    limit = queues + 1
    each = " UNION ALL ".join(_EACH.format(n, limit) for n in range(1, limit))
    return f"""
    SELECT {_SEEN} FROM ({each} ORDER BY priority, number LIMIT ?{limit}) AS first
    CROSS JOIN jobs AS j ON j.number = first.number ORDER BY j.priority, j.number
    """


@lru_cache(maxsize=256)
def is_ready(queues: int) -> str:
    """Return the query whether any of so many queues has a ready job."""
    each = " OR ".join(["EXISTS (SELECT 1 FROM jobs WHERE state = 0 AND queue = ?)"] * queues)
    return f"SELECT {each}"


# When the next job changes by itself: a delay ends, a date comes, somebody else's lease ends. Our
# own do not: we are alive, and must not be handed again what we still run.
_NEXT = "(SELECT moment FROM jobs WHERE state = {} AND moment IS NOT NULL ORDER BY moment LIMIT 1)"
_OTHERS = "3 AND owner <> ?"
NEXT_DUE = f"""
SELECT {_NEXT.format(1)}, {_NEXT.format(2)}, {_NEXT.format(_OTHERS)}, EXISTS (SELECT 1 FROM pauses)
"""

DUE = """
SELECT number, queue FROM jobs WHERE state = ? AND moment <= ? ORDER BY moment LIMIT 1000
"""
PROMOTE = "UPDATE jobs SET state = 0, moment = NULL, due_wall = NULL WHERE number = ?"
EXPIRED = """
SELECT number, queue FROM jobs WHERE state = 3 AND moment <= ? AND owner <> ? LIMIT 1000
"""
HOLDERS = "SELECT DISTINCT owner FROM jobs WHERE state = 3 AND moment IS NOT NULL"
HELD = """
SELECT number, queue FROM jobs WHERE state = 3 AND moment IS NOT NULL AND owner = ?
"""
# With a crash: a run ended without a word. Without: its worker gave it back. Whose lease ran out
# keeps the job until somebody takes it.
LEASE_OVER = "UPDATE jobs SET state = 0, moment = NULL, crashes = crashes + 1 WHERE number = ?"
TAKE_BACK = """
UPDATE jobs SET state = 0, moment = NULL, owner = 0, crashes = crashes + 1 WHERE number = ?
"""
HAND_BACK = "UPDATE jobs SET state = 0, moment = NULL, owner = 0 WHERE number = ?"

PAUSES = "SELECT queue, moment FROM pauses"
END_PAUSES = "DELETE FROM pauses WHERE moment <= ?"
SAY = "INSERT OR REPLACE INTO facts (name, value) VALUES (?, ?)"
BOOT = "SELECT value FROM facts WHERE name = 'boot'"
# Another boot: its clock begins anew, so delays go on by the wall and every lease is over.
REBASE = "UPDATE jobs SET moment = due_wall + ? WHERE state = 1 AND moment IS NOT NULL"
REBASE_PAUSES = "UPDATE pauses SET moment = until + ? WHERE moment IS NOT NULL"
NEW_BOOT = """
UPDATE jobs SET state = 0, moment = NULL, owner = 0, crashes = crashes + 1
WHERE state = 3 AND moment IS NOT NULL
"""
