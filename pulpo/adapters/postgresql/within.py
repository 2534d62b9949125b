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

from pulpo.adapters.postgresql.rows import check_jobs, columns, too_big
from pulpo.adapters.postgresql.troubles import in_short, missing_schema, no_such
from pulpo.errors import QueueError, QueueUnavailableError, UsageError, WrongTypeError
from pulpo.job import Capabilities, JobId, NewJob

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

    def __call__(self, connection: Any, statement: str, parameters: Sequence[object]) -> Any:
        """Run it; returns something to await where the connection is an async one."""
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
        return Capabilities(engine="postgresql", max_body=self._max_body)

    def put(self, jobs: Sequence[NewJob]) -> Sequence[JobId | QueueError]:
        """Write jobs; they are accepted when the transaction is committed.

        Raises `QueueUnavailableError`, after which the transaction can only be rolled back.
        """
        if self._is_async:
            raise WrongTypeError(f"an async connection needs apublish: {self._connection!r}")
        fitting, answers = self._fitting(jobs)
        try:
            if fitting:
                self._run(self._connection, *self._call(fitting))
        except UsageError:
            raise
        except Exception as error:  # whichever of so many libraries it is from
            raise self._trouble(error) from error
        return answers

    async def aput(self, jobs: Sequence[NewJob]) -> Sequence[JobId | QueueError]:
        """Write jobs as `put` does, into an async connection."""
        if not self._is_async:
            raise WrongTypeError(
                f"apublish needs an async connection, this one would block: {self._connection!r}"
            )
        fitting, answers = self._fitting(jobs)
        try:
            if fitting:
                await self._run(self._connection, *self._call(fitting))
        except UsageError:
            raise
        except Exception as error:  # whichever of so many libraries it is from
            raise self._trouble(error) from error
        return answers

    def _fitting(
        self, jobs: Sequence[NewJob]
    ) -> tuple[Sequence[NewJob], Sequence[JobId | QueueError]]:
        check_jobs(jobs)
        answers = [too_big(job, self._max_body) or job.id for job in jobs]
        pairs = zip(jobs, answers, strict=True)
        return [job for job, answer in pairs if isinstance(answer, str)], answers

    def _call(self, jobs: Sequence[NewJob]) -> tuple[str, tuple[object, ...]]:
        return _PUT.replace("@", self._schema), (self._told, *columns(jobs))

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
        return _by_sqlalchemy, "sqlalchemy.ext.asyncio" in _modules(connection)
    if "django" in homes and hasattr(connection, "vendor"):
        _check_dialect(connection, str(connection.vendor))
        return _by_django, False
    raise WrongTypeError(
        "within= takes a connection of psycopg 3, a connection or session of SQLAlchemy, or a "
        f"connection of Django: {connection!r}"
    )


def _modules(connection: object) -> str:
    return " ".join(kind.__module__ for kind in type(connection).__mro__)


def _by_cursor(connection: Any, statement: str, parameters: Sequence[object]) -> None:
    with connection.cursor() as cursor:
        cursor.execute(_positional(statement), parameters)


async def _by_async_cursor(connection: Any, statement: str, parameters: Sequence[object]) -> None:
    async with connection.cursor() as cursor:
        await cursor.execute(_positional(statement), parameters)


def _by_django(connection: Any, statement: str, parameters: Sequence[object]) -> None:
    with connection.cursor() as cursor:
        cursor.execute(_positional(statement), list(parameters))


def _by_sqlalchemy(connection: Any, statement: str, parameters: Sequence[object]) -> Any:
    # Who gives us one has loaded it.
    text = sys.modules["sqlalchemy"].text
    bind = connection.get_bind() if hasattr(connection, "get_bind") else connection
    _check_dialect(connection, str(bind.dialect.name))
    named = dict(zip(_PARAMETERS, parameters, strict=True))
    return connection.execute(text(_named(statement)), named)


def _check_dialect(connection: object, name: str) -> None:
    if name != "postgresql":
        raise UsageError(f"the queue is in PostgreSQL, and this is {name!r}: {connection!r}")


def _positional(statement: str) -> str:
    return statement.format(**dict.fromkeys(_PARAMETERS, "%s"))


def _named(statement: str) -> str:
    return statement.format(**{name: f":{name}" for name in _PARAMETERS})
