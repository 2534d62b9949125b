"""The outbox of an application that uses SQLAlchemy: a table, written by the session of the caller.

    outbox = Outbox("postgresql+psycopg:///shop", metadata=Base.metadata)

    with Session(engine) as session, session.begin():
        session.add(user)
        session.flush()
        outbox.publish(session, welcome, user.id)

Needs the extra `sqlalchemy`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar, overload

from sqlalchemy import (
    BigInteger,
    Column,
    Connection,
    DateTime,
    Engine,
    Insert,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    create_engine,
    delete,
    func,
    insert,
    select,
    update,
)
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncSession, async_scoped_session
from sqlalchemy.orm import Session, scoped_session

from pulpo import default_app
from pulpo.app import Pulpo
from pulpo.committing import message_of
from pulpo.contrib.outbox.attending import Relay
from pulpo.contrib.outbox.locking import only_relay
from pulpo.contrib.outbox.rows import MOST_BYTES, Flight, Row, Waiting
from pulpo.deferring import keep_for_long
from pulpo.errors import WrongTypeError
from pulpo.message import Message
from pulpo.publishing import JobRef

if TYPE_CHECKING:
    from pulpo.function import JobFunction

__all__ = ["Outbox"]

P = ParamSpec("P")
R = TypeVar("R")
# Databases where two relays can work on different rows.
_SKIPS_LOCKED = frozenset({"postgresql", "mysql", "mariadb", "oracle"})


class Outbox:
    """Jobs as rows of a database; any thread may publish, in its own session.

    `database` is what the relay connects to: an engine, or a URL, for which it makes one; not an
    asynchronous one. The table is put into `metadata`, so that it is made and migrated with the
    others, else into one of its own (`outbox.table`). A job may have `most_bytes`. Every worker of
    `app`, by default the one behind `pulpo.job`, that loads this object relays.
    """

    def __init__(
        self,
        database: Engine | str,
        *,
        metadata: MetaData | None = None,
        table: str = "pulpo_outbox",
        app: Pulpo | None = None,
        most_bytes: int = MOST_BYTES,
    ) -> None:
        if not isinstance(database, Engine | str):
            raise WrongTypeError(f"an outbox needs an Engine or a URL to relay from: {database!r}")
        self._app = app or default_app()
        self._most_bytes = most_bytes
        self.table = _table(table, MetaData() if metadata is None else metadata)
        engine = create_engine(database) if isinstance(database, str) else database
        name = engine.url.render_as_string(hide_password=True)
        self.relay = Relay(name, self._app.sender, lambda: _Rows(engine, self.table))
        self._app.attendants.append(self.relay)

    @overload
    def publish(
        self,
        session: Session | scoped_session[Any] | Connection,
        job: JobFunction[P, R],
        /,
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> JobRef: ...

    @overload
    def publish(
        self, session: Session | scoped_session[Any] | Connection, message: Message, /
    ) -> JobRef: ...

    # Any: each form says what it takes.
    def publish(self, session: Any, /, *call: Any, **arguments: Any) -> JobRef:
        """Add a job to the transaction of a session or connection; returns its reference to be.

        Raises what publishing raises of a wrong call, before a row is added. A delay counts from
        now.
        """
        if not isinstance(session, Session | scoped_session | Connection):
            raise WrongTypeError(f"publish takes a Session or Connection first: {session!r}")
        row, ref = self._row(call, arguments)
        session.execute(row)
        return ref

    @overload
    async def apublish(
        self,
        session: AsyncSession | async_scoped_session[Any] | AsyncConnection,
        job: JobFunction[P, R],
        /,
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> JobRef: ...

    @overload
    async def apublish(
        self,
        session: AsyncSession | async_scoped_session[Any] | AsyncConnection,
        message: Message,
        /,
    ) -> JobRef: ...

    async def apublish(self, session: Any, /, *call: Any, **arguments: Any) -> JobRef:
        """Like `publish`, for an asynchronous session or connection."""
        if not isinstance(session, AsyncSession | async_scoped_session | AsyncConnection):
            raise WrongTypeError(f"apublish takes an AsyncSession first: {session!r}")
        row, ref = self._row(call, arguments)
        await session.execute(row)
        return ref

    def _row(self, call: Sequence[Any], arguments: dict[str, Any]) -> tuple[Insert, JobRef]:
        message = message_of(call, arguments)
        kept = keep_for_long(self._app.sender, message, most_bytes=self._most_bytes)
        row = insert(self.table).values(
            id=kept.ref.id, type=kept.type, message=kept.data, added_at=datetime.now(UTC)
        )
        return row, kept.ref


def _table(name: str, metadata: MetaData) -> Table:
    return Table(
        name,
        metadata,
        # SQLite counts only what is declared as INTEGER.
        Column("number", BigInteger().with_variant(Integer, "sqlite"), primary_key=True),
        Column("id", String(64), nullable=False),
        Column("type", String(200), nullable=False),
        Column("message", LargeBinary, nullable=False),
        Column("added_at", DateTime(timezone=True), nullable=False),
        Column("refused", Text, nullable=True),
    )


class _Rows:
    """The rows of the table, for one relay."""

    def __init__(self, engine: Engine, table: Table) -> None:
        self._engine = engine
        self._table = table

    @contextmanager
    def flight(self, limit: int) -> Iterator[Flight]:
        table = self._table
        wanted = select(table.c.number, table.c.message).where(table.c.refused.is_(None))
        wanted = wanted.order_by(table.c.number).limit(limit)
        if self._engine.dialect.name in _SKIPS_LOCKED:
            with self._engine.begin() as connection:
                locked = wanted.with_for_update(skip_locked=True)
                flight = Flight(_rows(connection, locked))
                yield flight
                self._write(connection, flight)
            return
        with only_relay(self._file()) as is_free:
            # No transaction is open while the queue is spoken to: it would keep all others waiting.
            with self._engine.connect() as connection:
                flight = Flight(_rows(connection, wanted) if is_free else [])
            yield flight
            if flight.gone or flight.refused:
                with self._engine.begin() as connection:
                    self._write(connection, flight)

    def _write(self, connection: Connection, flight: Flight) -> None:
        number = self._table.c.number
        if flight.gone:
            connection.execute(delete(self._table).where(number.in_(flight.gone)))
        for place, reason in flight.refused.items():
            connection.execute(update(self._table).where(number == place).values(refused=reason))

    def _file(self) -> Path | None:
        name = self._engine.url.database
        is_file = self._engine.dialect.name == "sqlite" and name and ":memory:" not in name
        return Path(name) if is_file and name and not name.startswith("file:") else None

    def waiting(self) -> Waiting:
        table = self._table
        with self._engine.connect() as connection:
            jobs, oldest = connection.execute(
                select(func.count(), func.min(table.c.added_at)).where(table.c.refused.is_(None))
            ).one()
            refused = connection.execute(
                select(func.count()).select_from(table).where(table.c.refused.is_not(None))
            ).scalar_one()
        if oldest is not None and oldest.tzinfo is None:  # SQLite keeps no zone
            oldest = oldest.replace(tzinfo=UTC)
        age = None if oldest is None else (datetime.now(UTC) - oldest).total_seconds()
        return Waiting(jobs=jobs, oldest=age, refused=refused)

    def again(self) -> int:
        table = self._table
        with self._engine.begin() as connection:
            done = connection.execute(
                update(table).where(table.c.refused.is_not(None)).values(refused=None)
            )
            return done.rowcount

    def close(self) -> None:
        """Nothing: the connections are the pool's, which replaces broken ones itself."""


def _rows(connection: Connection, wanted: Any) -> list[Row]:  # Any: a select of some columns
    return [Row(number, bytes(data)) for number, data in connection.execute(wanted)]
