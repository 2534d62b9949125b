"""Several statements as one transaction, on a link; begun anew where the server has undone it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

import psycopg

from pulpo.adapters.postgresql.link import TRIES, Link, Query, Rows

__all__ = ["query_both", "transact"]

T = TypeVar("T")
Asked = tuple[str, Sequence[object]]


def query_both(link: Link, first: Asked, second: Asked, *, tries: int = TRIES) -> tuple[Rows, Rows]:
    """Run two statements as one transaction in one round trip; return the rows of each."""
    connection = link.connection
    cursors = connection.cursor(binary=True), connection.cursor(binary=True)
    try:
        with connection.pipeline():
            for cursor, (statement, parameters) in zip(cursors, (first, second), strict=True):
                cursor.execute(statement, parameters, prepare=link.has_session)
        return cursors[0].fetchall(), cursors[1].fetchall()
    except psycopg.Error as error:
        link.stand_aside(error, tries)
    return query_both(link, first, second, tries=tries - 1)


def transact(link: Link, work: Callable[[Query], T], *, tries: int = TRIES) -> T:
    """Run several statements as one transaction; `work` is given what runs one.

    It is rolled back by whatever `work` raises, and `work` is called again where the server has
    undone it for another's sake.
    """
    connection = link.connection
    cursor = connection.cursor(binary=True)

    def query(statement: str, parameters: Sequence[object]) -> Rows:
        return cursor.execute(statement, parameters, prepare=link.has_session).fetchall()

    try:
        with connection.transaction():
            return work(query)
    except psycopg.Error as error:
        link.stand_aside(error, tries)
    return transact(link, work, tries=tries - 1)
