"""What goes wrong at a PostgreSQL, in pulpo's own words. Knows no connection."""

from __future__ import annotations

import psycopg

from pulpo.errors import (
    QueueError,
    QueueFullError,
    QueueUnavailableError,
    QueueUnusableError,
)

__all__ = ["AnswerLostError", "in_short", "missing_schema", "no_such", "refused", "unreached"]

# https://www.postgresql.org/docs/current/errcodes-appendix.html
_FULL = ("53100", "53200")
# A server that is going down may have committed before it said so.
_ENDING = "57P"
_NO_SUCH = ("42P01", "42883", "3F000")


class AnswerLostError(QueueError):
    """It was sent and no answer came: nobody knows whether it was done."""


def in_short(error: BaseException) -> str:
    """Return what an error says, on one line."""
    return " ".join(str(error).split())[:400] or type(error).__name__


def unreached(error: BaseException, shown: str) -> QueueUnavailableError:
    """Say that nothing was sent."""
    return QueueUnavailableError(f"PostgreSQL is out of reach ({in_short(error)}): {shown}")


def refused(error: psycopg.Error, shown: str, schema: str) -> QueueError:
    """Return what a failed statement means; what the server itself refuses was not done."""
    state = error.sqlstate
    if state is None or state.startswith(_ENDING):
        return AnswerLostError(f"the answer of PostgreSQL was lost ({in_short(error)}): {shown}")
    if state in _FULL:
        return QueueFullError(f"PostgreSQL has no room ({in_short(error)}): {shown}")
    if no_such(state):
        return missing_schema(schema, shown, found=in_short(error))
    return QueueUnavailableError(f"PostgreSQL refused it ({in_short(error)}): {shown}")


def no_such(state: object) -> bool:
    """Tell whether an SQLSTATE says that tables or functions are not there."""
    return state in _NO_SUCH


def missing_schema(schema: str, shown: str, *, found: str) -> QueueUnusableError:
    """Say what to do where the tables are missing or old."""
    return QueueUnusableError(
        f"no queue in schema {schema!r} ({found}); run `pulpo migrate`, or let pulpo make it with "
        f"create=1 in the URL: {shown}"
    )
