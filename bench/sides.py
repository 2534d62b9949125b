"""The two sides of every measurement, pulpo and the bare loop, with one face.

A side is opened at a place. It sends jobs, numbered, one by one or many at once, has workers that
stamp them, and names the programs that others start. How time is taken is not known here.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from bench.crew import Crew
from bench.jobs import NOOP
from bench.place import Place

__all__ = ["CHUNK", "Opens", "Send", "Side", "Staff"]

CHUNK = 1000

Send = Callable[[int], object]


@dataclass(frozen=True, slots=True, kw_only=True)
class Staff:
    """Who is to work: what job, in how many processes (None: a user's default), how many at once.

    Without `forever`, a side whose workers can do so stops at an empty queue.
    """

    job: str = NOOP
    processes: int | None = 1
    slots: int | None = None
    forever: bool = True


class Side(Protocol):
    """What is measured."""

    def sender(
        self, n: int, *, job: str = NOOP, urgent: bool = False
    ) -> AbstractContextManager[Send]:
        """Connect; the function sends job `number` < `n` and returns when it is accepted."""
        ...

    def batches(
        self, start: int, n: int, *, job: str = NOOP, delay: float = 0
    ) -> Callable[[], None]:
        """Return a function that sends the jobs from `start`, 1,000 a call, all made ready."""
        ...

    def workers(self, marks: Path, staff: Staff) -> AbstractContextManager[Crew]:
        """Run workers."""
        ...

    def producer(self) -> tuple[str, str]:
        """Return how `bench.producer` reaches this queue from another process: kind, address."""
        ...

    def first_put(self, *, decorated: bool) -> str:
        """Return a program that imports what it needs and publishes one job."""
        ...

    def close(self) -> None:
        """Let go of the queue."""
        ...


Opens = Callable[[Place], Side]
