"""The application of the kill tests: a job, an outbox, and a relay that dies where it is told to.

`SHOP` is the database's URL; `DIE` is `before`, `between` or `after`: before jobs are published,
between that and the removal of their rows, or after the removal was sent, before it is committed.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, create_engine
from sqlalchemy.orm import Session

import pulpo
from pulpo.contrib.outbox import sqlalchemy as outboxes
from pulpo.contrib.outbox.rows import Flight
from pulpo.contrib.outbox.sqlalchemy import Outbox

engine = create_engine(os.environ["SHOP"])
outbox = Outbox(engine)


@pulpo.job(type="mail.welcome")
def welcome(user_id: int) -> None: ...


def _die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


_write = outboxes._Rows._write
_remove = Flight.remove


def _late(rows: Any, connection: Connection, flight: Flight) -> None:
    _write(rows, connection, flight)
    if flight.gone and _deadly():
        _die()


def _between(flight: Flight, numbers: Sequence[int]) -> None:
    if _deadly():
        _die()
    _remove(flight, numbers)


def _deadly() -> bool:
    """Tell whether it is this process's turn: a file says it, once."""
    try:
        os.unlink(os.environ["TURN"])
    except FileNotFoundError:
        return False
    return True


match os.environ.get("DIE"):
    case "before":
        _real = outboxes._rows

        def _rows(connection: Connection, wanted: Any) -> Any:
            found = _real(connection, wanted)
            if found and _deadly():
                _die()
            return found

        outboxes._rows = _rows
    case "between":
        Flight.remove = _between  # type: ignore[method-assign]
    case "after":
        outboxes._Rows._write = _late  # type: ignore[method-assign]


def sell(first: int, last: int) -> None:
    """Add a job for each number in a transaction of its own; print the id once it is committed."""
    for number in range(first, last):
        with Session(engine) as session:
            ref = outbox.publish(session, welcome, number)
            if number % 5 == 4:
                session.rollback()
                print(f"gone {ref.id}", flush=True)
            else:
                session.commit()
                print(f"kept {ref.id}", flush=True)


if __name__ == "__main__":
    sell(int(sys.argv[1]), int(sys.argv[2]))
