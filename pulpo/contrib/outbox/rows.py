"""What a relay needs of a database in which jobs are rows: a port, and its values.

Each kind of database library has its own file beside this one. Nothing here knows of a queue.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Protocol

__all__ = ["MOST_BYTES", "Flight", "Row", "Rows", "Waiting"]

#: The largest job of an outbox, unless it says something else: what every engine takes as it comes.
MOST_BYTES = 65_535


@dataclass(frozen=True, slots=True)
class Row:
    """One kept message; `number` is the database's, and grows from row to row."""

    number: int
    data: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """How many rows wait, since how many seconds the oldest of them does, how many were refused."""

    jobs: int
    oldest: float | None
    refused: int


class Flight:
    """Some rows that one relay works on, and what it says of them; one thread owns it.

    What is said is written to the database at the end of the flight, all of it or nothing.
    """

    def __init__(self, rows: Sequence[Row]) -> None:
        #: The oldest rows that nobody else works on, in order.
        self.rows = rows
        #: The numbers of the rows whose jobs are in the queue.
        self.gone: list[int] = []
        #: Why no queue will ever take a row, by its number.
        self.refused: dict[int, str] = {}

    def remove(self, numbers: Sequence[int]) -> None:
        """Remove rows: their jobs are in the queue."""
        self.gone.extend(numbers)

    def put_aside(self, number: int, reason: str) -> None:
        """Keep a row that no queue will ever take, and why, for a person to look at."""
        self.refused[number] = reason


class Rows(Protocol):
    """The rows of one database; one thread owns it. Raises what its library raises."""

    def flight(self, limit: int) -> AbstractContextManager[Flight]:
        """Take up to so many rows; what is said of them is done where this ends without error."""
        ...

    def waiting(self) -> Waiting:
        """Count the rows."""
        ...

    def again(self) -> int:
        """Let the relay try the refused rows anew; returns how many there are."""
        ...

    def close(self) -> None:
        """Let go of the database; the next use connects again."""
        ...
