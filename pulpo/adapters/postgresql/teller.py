"""Statements that answer nothing, told at the least cost: by libpq's own calls, without a cursor.

A cursor, its generators and its rows cost a producer as much again as all else that a publish does.
Knows one open connection; what its errors mean does whoever calls. The calls are those of
https://www.postgresql.org/docs/current/libpq-async.html.
"""

from __future__ import annotations

import select
from collections.abc import Callable, Sequence

import psycopg
from psycopg import pq
from psycopg.pq.abc import PGconn, PGresult

__all__ = ["PATIENCE", "Teller", "UntoldError"]

# How long a reply may take, in seconds: locks and a standby's word are waited for; whoever is gone
# is known to be gone much earlier, by TCP's own means.
PATIENCE = 30


class UntoldError(Exception):
    """The line was lost before the statement itself was sent."""


class Teller:
    """What tells one connection, outside of transactions; one thread.

    `prepares`: the server keeps what was prepared. `beat` is called each second of waiting, `ring`
    where a bell has rung meanwhile.
    """

    def __init__(
        self,
        connection: PGconn,
        *,
        prepares: bool,
        beat: Callable[[], None],
        ring: Callable[[], None],
    ) -> None:
        self._connection = connection
        self._prepares = prepares
        self._beat = beat
        self._ring = ring
        self._names: dict[str, bytes] = {}
        self._poll = select.poll()
        self._poll.register(connection.socket, select.POLLIN)

    def tell(self, statement: str, parameters: Sequence[str | bytes | None]) -> None:
        """Run a statement with places like $1; its parameters are text, or bytes as bytea.

        Raises psycopg's errors, or `UntoldError` for one; after any other exception nobody knows
        whose answer comes next.
        """
        values = [each.encode() if isinstance(each, str) else each for each in parameters]
        formats = [isinstance(each, bytes) for each in parameters]
        if self._prepares:
            name = self._names.get(statement) or self._prepare(statement)
            self._connection.send_query_prepared(name, values, formats)
        else:
            self._connection.send_query_params(statement.encode(), values, param_formats=formats)
        self._hear()

    def _prepare(self, statement: str) -> bytes:
        name = b"pulpo_%d" % len(self._names)
        try:
            self._connection.send_prepare(name, statement.encode())
            self._hear()
        except psycopg.Error as error:
            if error.sqlstate is None:
                raise UntoldError from error
            raise
        self._names[statement] = name
        return name

    def _hear(self) -> None:
        """Wait until it was done, and raise where it was not."""
        connection = self._connection
        patience = PATIENCE
        while connection.flush():
            patience = self._wait_for_room(patience)
        while connection.is_busy():
            if self._poll.poll(1_000):
                connection.consume_input()
            else:
                patience = self._be_patient(patience)
        result = connection.get_result()
        while connection.get_result() is not None:
            pass  # a statement has one result; libpq wants to say itself that it was the last
        while connection.notifies() is not None:
            self._ring()
        _check(result)

    def _wait_for_room(self, patience: int) -> int:
        """Wait until more can be sent, and read meanwhile, or both ends might wait for ever."""
        poll = select.poll()
        poll.register(self._connection.socket, select.POLLIN | select.POLLOUT)
        events = poll.poll(1_000)
        if not events:
            return self._be_patient(patience)
        if events[0][1] & select.POLLIN:
            self._connection.consume_input()
        return patience

    def _be_patient(self, patience: int) -> int:
        if patience <= 1:
            raise psycopg.OperationalError(f"no answer within {PATIENCE} s")
        self._beat()
        return patience - 1


def _check(result: PGresult | None) -> None:
    if result is None:
        raise psycopg.OperationalError("the server has not answered")
    if result.status != pq.ExecStatus.COMMAND_OK:
        raise psycopg.errors.error_from_result(result)
