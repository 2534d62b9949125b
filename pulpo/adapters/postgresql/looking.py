"""How an operator's queries are asked: at one moment, with the dead known by then.

Reads only. A delay that has ended, a lease that has ended and a dead worker's jobs are shown as
ready before anybody has written that down.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

from pulpo.adapters.postgresql.link import Link, Rows
from pulpo.adapters.postgresql.timepiece import Timepiece
from pulpo.job import JobState, ListedJob

__all__ = ["SEEN", "Look", "Looker", "State", "shown"]

SEEN = "id, number, queue, state, moment, owner, priority, ttr, crashes, body"
_NOW = """
SELECT @.now_1(%s::float8), ARRAY(SELECT @.dead_1(%s::float8, 0, false))
"""


class State(IntEnum):
    """The states in the table."""

    READY = 0
    DELAYED = 1
    RESERVED = 3
    BURIED = 4


@dataclass(frozen=True, slots=True)
class Look:
    """One look at the queue: what time it is there, and which owners are dead."""

    link: Link
    schema: str
    now: float
    dead: Collection[int]

    def query(self, statement: str, *parameters: object) -> Rows:
        """Ask one query."""
        return self.link.query(statement.replace("@", self.schema), parameters)

    def jobs(self, statement: str, *parameters: object) -> list[ListedJob]:
        """Ask a query for the columns `SEEN`; return the jobs as an operator sees them."""
        return [self.shown(row) for row in self.query(statement, *parameters)]

    def shown(self, row: tuple[Any, ...]) -> ListedJob:
        """Return a row of the columns `SEEN` as an operator sees the job."""
        return shown(row, self.now, self.dead)


def shown(row: tuple[Any, ...], now: float, dead: Collection[int]) -> ListedJob:
    """Return a row of the columns `SEEN` as an operator sees the job; `dead` owners hold none."""
    job_id, number, queue, stored, moment, owner, priority, ttr, crashes, body = row
    left = 0.0 if moment is None else moment - now
    state = JobState.READY
    if stored == State.BURIED:
        state = JobState.BURIED
    elif stored == State.RESERVED and left > 0 and owner not in dead:
        state = JobState.RESERVED
    elif stored == State.DELAYED and left > 0:
        state = JobState.DELAYED
    return ListedJob(
        id=job_id,
        number=number,
        queue=queue,
        state=state,
        body=body,
        priority=priority,
        due=left if state is JobState.DELAYED else 0.0,
        ttr=ttr,
        crashes=crashes + (stored == State.RESERVED and state is JobState.READY),
    )


class Looker:
    """Begins looks on one connection; one thread."""

    def __init__(self, link: Link, timepiece: Timepiece) -> None:
        self._link = link
        self._timepiece = timepiece

    def look(self) -> Look:
        """Begin a look."""
        told, schema = self._timepiece.told(), self._link.address.schema
        ((now, dead),) = self._link.query(_NOW.replace("@", schema), (told, told))
        return Look(self._link, schema, now, set(dead))
