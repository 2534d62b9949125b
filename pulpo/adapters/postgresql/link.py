"""One connection to PostgreSQL: opened late, watched while it is slow, never used after a fork.

Knows sessions, prepared statements and bells; nothing of jobs.
"""

from __future__ import annotations

import os
import select
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any, ClassVar, TypeVar

import psycopg
from psycopg import pq
from psycopg.abc import PQGen
from psycopg.conninfo import conninfo_to_dict
from psycopg.waiting import Ready, Wait

from pulpo.adapter import no_beat
from pulpo.adapters.postgresql.address import Address
from pulpo.adapters.postgresql.migrating import look_after
from pulpo.adapters.postgresql.teller import PATIENCE, Teller, UntoldError
from pulpo.adapters.postgresql.troubles import AnswerLostError, in_short, refused, unreached
from pulpo.errors import QueueUnavailableError, UsageError
from pulpo.system import abandon_in_children, keep_for_ever

__all__ = ["TRIES", "Link", "Query", "Rows", "check"]

T = TypeVar("T")
Rows = list[tuple[Any, ...]]
Query = Callable[[str, Sequence[object]], Rows]

# The server has undone all of it for the sake of another session, and says to send it again. Two
# workers can wait for each other: SKIP LOCKED follows a row to a version that is being deleted.
# https://www.postgresql.org/docs/current/mvcc-serialization-failure-handling.html
_UNDONE = ("40001", "40P01")
TRIES = 3
# For whom we were undone goes first: who is back at once can take the same locks before it wakes.
_ASIDE = 0.01
# With None psycopg would prepare nothing, whatever a statement asks for.
_ONLY_THOSE_THAT_ASK = 2**31
_SESSION = "SELECT set_config('default_transaction_isolation', 'read committed', false)"
_EVENTS = {
    Wait.R: select.POLLIN,
    Wait.W: select.POLLOUT,
    Wait.RW: select.POLLIN | select.POLLOUT,
}


def check(address: Address) -> None:
    """Raise `UsageError` for an option that libpq does not know, or that it cannot read."""
    try:
        conninfo_to_dict(address.conninfo)
    except psycopg.ProgrammingError as error:
        raise UsageError(f"{in_short(error)}: {address.shown}") from None


class Connection(psycopg.Connection[tuple[Any, ...]]):
    """A connection that beats while it waits, and is closed by whatever ends a wait.

    `beat` is that of one link: each has a class of its own, since a connection is made by its
    class.
    """

    beat: ClassVar[Callable[[], None]] = staticmethod(no_beat)

    @classmethod
    def _connect_gen(cls, *where: Any, **options: Any) -> Any:  # Any: as psycopg has it
        # One of several hosts may be gone without a word: each is waited for.
        steps = super()._connect_gen(*where, **options)
        try:
            asked = next(steps)
            while True:
                cls.beat()
                asked = steps.send((yield asked))
        except StopIteration as end:
            return end.value

    def wait(self, gen: PQGen[T], interval: float = 0.0, timeout: float | None = None) -> T:  # noqa: ARG002
        """Run one of psycopg's conversations with the server to its end."""
        try:
            state = next(gen)
            poll = select.poll()
            poll.register(self.pgconn.socket, _EVENTS[state])
            patience = PATIENCE
            while True:
                events = poll.poll(1_000)
                if not events:
                    type(self).beat()
                    patience -= 1
                    if not patience:
                        raise psycopg.OperationalError(f"no answer within {PATIENCE} s")
                    gen.send(Ready.NONE)
                    continue
                readable = Ready.R if events[0][1] & ~select.POLLOUT else Ready.NONE
                writable = Ready.W if events[0][1] & ~select.POLLIN else Ready.NONE
                state = gen.send(readable | writable)
                poll.modify(self.pgconn.socket, _EVENTS[state])
        except StopIteration as end:
            value: T = end.value
            return value
        except psycopg.Error:
            if self.pgconn.transaction_status == pq.TransactionStatus.ACTIVE:
                self.close()
            raise
        except BaseException:
            # An exception from a signal handler: after it nobody knows whose answer comes next.
            self.close()
            raise


class Link:
    """The connection of one thread of one process; nothing is opened before the first statement.

    `on_open` is called with each new connection that works, before anything else uses it.
    `has_session` tells whether the server keeps something for us between two statements; behind a
    pooler it does not.
    """

    def __init__(self, address: Address, beat: Callable[[], None]) -> None:
        self.address = address
        self.has_session = True
        self.rung = False
        self.on_open: Callable[[], None] = lambda: None
        self._beat = beat
        self._kind: type[Connection] = type(
            "Connection", (Connection,), {"beat": staticmethod(beat)}
        )
        self._connection: Connection | None = None
        self._teller: Teller
        self._cursor: psycopg.Cursor[tuple[Any, ...]]
        self._closed = False

    @property
    def connection(self) -> Connection:
        """The open connection of this process; raises `QueueUnavailableError`."""
        connection = self._connection
        if connection is not None and not self._is_stale(connection):
            return connection
        self._open()
        assert self._connection is not None
        return self._connection

    @property
    def is_open(self) -> bool:
        """Whether there is a connection that nothing is known against."""
        return self._connection is not None and not self._connection.closed

    def fileno(self) -> int:
        """The descriptor that is readable once the bell has rung, -1 where there is none."""
        return self._connection.pgconn.socket if self._connection is not None else -1

    def query(
        self, statement: str, parameters: Sequence[object] = (), *, tries: int = TRIES
    ) -> Rows:
        """Run one statement as a transaction of its own; return its rows.

        One that the server has undone for another's sake is sent again. Raises
        `QueueUnavailableError` where nothing was done, `AnswerLostError` where nobody knows.
        """
        self.connection  # noqa: B018  # opens it, or finds out that it was closed
        try:
            cursor = self._cursor.execute(statement, parameters, prepare=self.has_session)
            # Not `description`, which would be made anew each time.
            result = cursor.pgresult
            return cursor.fetchall() if result is not None and result.nfields else []
        except psycopg.Error as error:
            self.stand_aside(error, tries)
        return self.query(statement, parameters, tries=tries - 1)

    def tell(
        self, statement: str, parameters: Sequence[str | bytes | None], *, tries: int = TRIES
    ) -> None:
        """Run one statement that answers nothing, as `query` does, at half of its cost.

        It has its places as the server does ($1), and its parameters are text, or bytes as bytea.
        """
        self.connection  # noqa: B018  # as above
        try:
            self._teller.tell(statement, parameters)
        except psycopg.Error as error:
            self.stand_aside(error, tries)
        except BaseException as error:
            # One from a signal handler: after it nobody knows whose answer comes next.
            self.drop()
            if isinstance(error, UntoldError) and error.__cause__ is not None:
                raise unreached(error.__cause__, self.address.shown) from error
            raise
        else:
            return
        self.tell(statement, parameters, tries=tries - 1)

    def stand_aside(self, error: psycopg.Error, tries: int) -> None:
        """Let the session go first for which the server has undone our work, if that is the error.

        Otherwise, or at the last of the tries, raise what the error means.
        """
        if error.sqlstate not in _UNDONE or tries <= 1:
            raise self.trouble(error) from error
        time.sleep(_ASIDE)

    def trouble(self, error: psycopg.Error) -> Exception:
        """Return what an error means; closes the connection where it can't be used any more."""
        if error.sqlstate is None or (self._connection and self._connection.closed):
            self.drop()
        return refused(error, self.address.shown, self.address.schema)

    def is_rung(self) -> bool:
        """Whether the bell has rung and nobody has taken note of it; False on a dead line."""
        connection = self._connection
        if connection is not None and self._is_stale(connection):
            self.drop()
        return self.rung

    def hear(self) -> bool:
        """Take note of a bell that has rung since the last time; False where the line is dead."""
        connection = self._connection
        if connection is None or self._is_stale(connection):
            return False
        rung, self.rung = self.rung, False
        return rung

    def drop(self) -> None:
        """Close the connection; the next statement opens another one."""
        connection, self._connection = self._connection, None
        if connection is not None:
            with suppress(psycopg.Error):
                connection.close()

    def close(self) -> None:
        """Let go of the database for good; twice is once."""
        self._closed = True
        self.drop()

    def abandon(self) -> None:
        """In a forked child: close only this descriptor, and say no farewell for the parent."""
        connection, self._connection = self._connection, None
        if connection is not None:
            with suppress(OSError, psycopg.Error):
                os.close(connection.pgconn.socket)
            keep_for_ever(connection)

    def _open(self) -> None:
        if self._closed:
            raise QueueUnavailableError(f"the queue was closed: {self.address.shown}")
        self.drop()
        self._beat()
        try:
            connection = self._kind.connect(
                self.address.conninfo, autocommit=True, prepare_threshold=_ONLY_THOSE_THAT_ASK
            )
        except (psycopg.Error, OSError) as error:  # to wait, psycopg itself opens a descriptor
            raise unreached(error, self.address.shown) from error
        try:
            self._look_after(connection)
            self._connection = connection
            self._teller = Teller(
                connection.pgconn,
                prepares=self.has_session,
                beat=self._beat,
                ring=lambda: self._ring(None),
            )
            self._cursor = connection.cursor(binary=True)
            self._poll = select.poll()
            self._poll.register(connection.pgconn.socket, select.POLLIN)
            abandon_in_children(self)
            self.on_open()
        except BaseException as error:
            self._connection = None
            connection.close()
            if isinstance(error, psycopg.Error):
                raise unreached(error, self.address.shown) from error
            if isinstance(error, AnswerLostError):  # nothing of the caller's was sent yet
                raise QueueUnavailableError(str(error)) from error
            raise

    def _look_after(self, connection: Connection) -> None:
        pid = look_after(connection, self.address)
        pooled = self.address.pooled
        if pooled is None:
            # A pooler shows its clients the number of no process of the server.
            pooled = pid != connection.info.backend_pid
        self.has_session = not pooled
        if self.has_session:
            connection.execute(_SESSION)
            connection.add_notify_handler(self._ring)

    def _ring(self, _: object) -> None:
        self.rung = True

    def _is_stale(self, connection: Connection) -> bool:
        """Read what has come by itself: bells, or the word that the server is gone."""
        pgconn = connection.pgconn
        try:
            # The end of a line may stand behind a last word.
            while self._poll.poll(0):
                pgconn.consume_input()
                while pgconn.notifies() is not None:
                    self.rung = True
                if connection.closed:
                    return True
            return connection.closed
        except psycopg.Error:
            return True
