"""Writing jobs into a transaction of the user's own, whatever library has begun it.

Takes connections of psycopg 3, SQLAlchemy (connections and sessions, with any driver) and Django,
and the async ones of the first two. Imports none of these but psycopg: an object's own class says
where it is from. Nothing is committed here, and no setting of the transaction is changed.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any, Protocol

import psycopg
from psycopg.rows import tuple_row

from pulpo.adapters.postgresql.accepting import Answer, Ask, Steps, accepting, has_guards
from pulpo.adapters.postgresql.rows import check_jobs, columns, too_big
from pulpo.adapters.postgresql.troubles import in_short, missing_schema, no_such
from pulpo.errors import QueueError, QueueUnavailableError, UsageError, WrongTypeError
from pulpo.job import Capabilities, NewJob

__all__ = ["InTransaction"]

_NAMES = ("told", "ids", "types", "queues", "priorities", "delays", "ats", "ttrs", "expires")
_TEXTS = ", ".join(f"CAST({{{name}}} AS text[])" for name in ("ids", "types", "queues"))
# As text first: some drivers would want a list of numbers for an array of numbers.
_NUMBERS = ", ".join(
    f"CAST(CAST({{{name}}} AS text) AS {kind})"
    for name, kind in (
        ("priorities", "bigint[]"),
        ("delays", "float8[]"),
        ("ats", "float8[]"),
        ("ttrs", "float8[]"),
        ("expires", "float8[]"),
    )
)
_PUT = (
    f"SELECT @.put_within_1(CAST({{told}} AS float8), {_TEXTS}, {_NUMBERS}, "
    "CAST({bodies} AS bytea[]))"
)
_PARAMETERS = (*_NAMES, "bodies")


class _Runs(Protocol):
    """Whoever carries one statement into the user's transaction."""

    def __call__(self, connection: Any, asked: Ask, schema: str) -> Any:
        """Run it; returns its rows, to await where the connection is an async one."""
        ...


class InTransaction:
    """A door to the queue for one transaction; for the thread or the event loop that it is for."""

    def __init__(self, connection: object, schema: str, told: float | None, max_body: int) -> None:
        self._connection = connection
        self._schema = schema
        self._told = told
        self._run, self._is_async = _way(connection)
        self._max_body = max_body

    @property
    def capabilities(self) -> Capabilities:
        """What the queue can do; connects to nothing."""
        return Capabilities(engine="postgresql", max_body=self._max_body, guards=True)

    def put(self, jobs: Sequence[NewJob]) -> Sequence[Answer]:
        """Write jobs; they are accepted when the transaction is committed.

        Raises `QueueUnavailableError`, after which the transaction can only be rolled back.
        """
        if self._is_async:
            raise WrongTypeError(f"an async connection needs apublish: {self._connection!r}")
        steps = self._steps(jobs)
        try:
            asked = next(steps)
            while True:
                asked = steps.send(self._ask(asked))
        except StopIteration as end:
            answers: list[Answer] = end.value
            return answers

    async def aput(self, jobs: Sequence[NewJob]) -> Sequence[Answer]:
        """Write jobs as `put` does, into an async connection."""
        if not self._is_async:
            raise WrongTypeError(
                f"apublish needs an async connection, this one would block: {self._connection!r}"
            )
        steps = self._steps(jobs)
        try:
            asked = next(steps)
            while True:
                asked = steps.send(await self._aask(asked))
        except StopIteration as end:
            answers: list[Answer] = end.value
            return answers

    def _steps(self, jobs: Sequence[NewJob]) -> Steps:
        check_jobs(jobs)
        answers: list[Answer] = [too_big(job, self._max_body) or job.id for job in jobs]
        places = [place for place, answer in enumerate(answers) if isinstance(answer, str)]
        fitting = [jobs[place] for place in places]
        if has_guards(fitting):
            found = yield from accepting(
                fitting, told=self._told, is_within=True, max_body=self._max_body
            )
            for place, answer in zip(places, found, strict=True):
                answers[place] = answer
        elif fitting:
            yield Ask(_PUT, _PARAMETERS, (self._told, *columns(fitting)))
        return answers

    def _ask(self, asked: Ask) -> Any:
        try:
            return self._run(self._connection, asked, self._schema)
        except UsageError:
            raise
        except Exception as error:  # whichever of so many libraries it is from
            raise self._trouble(error) from error

    async def _aask(self, asked: Ask) -> Any:
        try:
            return await self._run(self._connection, asked, self._schema)
        except UsageError:
            raise
        except Exception as error:  # whichever of so many libraries it is from
            raise self._trouble(error) from error

    def _trouble(self, error: Exception) -> QueueError:
        own = getattr(error, "orig", None) or error.__cause__ or error  # SQLAlchemy's, Django's
        state = getattr(own, "sqlstate", None) or getattr(own, "pgcode", None)
        shown = f"the database of {type(self._connection).__qualname__}"
        if no_such(state):
            return missing_schema(self._schema, shown, found=in_short(own))
        return QueueUnavailableError(f"{shown} refused the job: {in_short(own)}")


def _way(connection: object) -> tuple[_Runs, bool]:
    """Say how a statement is run on a connection, and whether that must be awaited."""
    if isinstance(connection, psycopg.Connection):
        return _by_cursor, False
    if isinstance(connection, psycopg.AsyncConnection):
        return _by_async_cursor, True
    homes = {kind.__module__.partition(".")[0] for kind in type(connection).__mro__}
    if "sqlalchemy" in homes:
        if "sqlalchemy.ext.asyncio" in _modules(connection):
            return _by_async_sqlalchemy, True
        return _by_sqlalchemy, False
    if "django" in homes and hasattr(connection, "vendor"):
        _check_dialect(connection, str(connection.vendor))
        return _by_django, False
    raise WrongTypeError(
        "within= takes a connection of psycopg 3, a connection or session of SQLAlchemy, or a "
        f"connection of Django: {connection!r}"
    )


def _modules(connection: object) -> str:
    return " ".join(kind.__module__ for kind in type(connection).__mro__)


def _by_cursor(connection: Any, asked: Ask, schema: str) -> Any:
    with connection.cursor(row_factory=tuple_row) as cursor:
        return cursor.execute(asked.text(schema), asked.values).fetchall()


async def _by_async_cursor(connection: Any, asked: Ask, schema: str) -> Any:
    async with connection.cursor(row_factory=tuple_row) as cursor:
        return await (await cursor.execute(asked.text(schema), asked.values)).fetchall()


def _by_django(connection: Any, asked: Ask, schema: str) -> Any:
    with connection.cursor() as cursor:
        cursor.execute(asked.text(schema), list(asked.values))
        return cursor.fetchall()


def _by_sqlalchemy(connection: Any, asked: Ask, schema: str) -> Any:
    return connection.execute(*_for_sqlalchemy(connection, asked, schema)).fetchall()


async def _by_async_sqlalchemy(connection: Any, asked: Ask, schema: str) -> Any:
    done = await connection.execute(*_for_sqlalchemy(connection, asked, schema))
    return done.fetchall()


def _for_sqlalchemy(connection: Any, asked: Ask, schema: str) -> tuple[Any, dict[str, object]]:
    # Who gives us one has loaded it.
    text = sys.modules["sqlalchemy"].text
    bind = connection.get_bind() if hasattr(connection, "get_bind") else connection
    _check_dialect(connection, str(bind.dialect.name))
    return text(asked.text(schema, ":{name}")), dict(zip(asked.names, asked.values, strict=True))


def _check_dialect(connection: object, name: str) -> None:
    if name != "postgresql":
        raise UsageError(f"the queue is in PostgreSQL, and this is {name!r}: {connection!r}")
