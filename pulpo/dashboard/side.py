"""What workers tell beside the queue: who works, and what became of jobs in the last hour.

A port: the pages ask through `Telling`, and show "not known" with a way out where the answer is
None. `NothingTold` is who answers where nobody can tell. Values only; no I/O here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from pulpo.telling import AskedStacks
from pulpo.telling.limits import SeenLimit
from pulpo.telling.told import NOTHING_TOLD, Told

__all__ = ["Minute", "NothingTold", "RunningJob", "Telling", "TypeToll", "WorkerSeen"]


@dataclass(frozen=True, slots=True, kw_only=True)
class RunningJob:
    """What one slot of a worker runs, and for how many seconds."""

    id: str
    type: str
    queue: str
    seconds: float
    is_overdue: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerSeen:
    """A worker process that tells of itself; `beat` is the age of its last word in seconds.

    `busy` counts its slots in use, of which `running` may hold only the first ones. `id` is what it
    is asked for its stacks by.
    """

    name: str
    host: str
    pid: int
    queues: tuple[str, ...]
    slots: int
    busy: int
    beat: float
    running: tuple[RunningJob, ...] = ()
    id: str = ""
    has_no_thread_free: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Minute:
    """What became of jobs in one minute; `at` is its first second since the epoch.

    `median` is that of the runtimes in seconds, None where nothing ran.
    """

    at: float
    succeeded: int = 0
    failed: int = 0
    median: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TypeToll:
    """What became of the jobs of one type in the last hour; runtimes in seconds."""

    type: str
    succeeded: int
    failed: int
    median: float | None = None
    slowest: float | None = None


class Telling(Protocol):
    """Answers from beside the queue; any thread. None = nobody has told."""

    def workers(self) -> Sequence[WorkerSeen] | None:
        """Return the workers that have told of themselves lately."""
        ...

    @property
    def knows_all(self) -> bool:
        """Whether all workers tell here, and not only those of this host."""
        ...

    def ask_stacks(self, id: str) -> bool:
        """Ask a worker for its stacks; False where it is not known, or out of reach."""
        ...

    def stacks(self, ids: Sequence[str]) -> Mapping[str, AskedStacks]:
        """Return what workers were asked and have answered; nothing of one is not known."""
        ...

    def of(self, queue: str, *, now: float) -> Told:
        """Return what is known of those who work on a queue; `now` in seconds since the epoch."""
        ...

    def minutes(self, queue: str | None = None) -> Sequence[Minute] | None:
        """Return the last hour, of one queue or of all, the oldest minute first."""
        ...

    def types(self) -> Sequence[TypeToll] | None:
        """Return what became of jobs by their types."""
        ...

    def limits(self) -> Sequence[SeenLimit]:
        """Return the limits that hold jobs back now."""
        ...

    def close(self) -> None:
        """Let go of where the answers come from, once nobody asks any more."""
        ...


class NothingTold:
    """Nobody has told anything."""

    def workers(self) -> Sequence[WorkerSeen] | None:
        """Return None: not known."""
        return None

    @property
    def knows_all(self) -> bool:
        """Return False: none is known."""
        return False

    def ask_stacks(self, id: str) -> bool:  # noqa: ARG002
        """Return False: there is nobody to ask."""
        return False

    def stacks(self, ids: Sequence[str]) -> Mapping[str, AskedStacks]:  # noqa: ARG002
        """Return nothing: nobody was asked."""
        return {}

    def of(self, queue: str, *, now: float) -> Told:  # noqa: ARG002
        """Return that nothing is known."""
        return NOTHING_TOLD

    def minutes(self, queue: str | None = None) -> Sequence[Minute] | None:  # noqa: ARG002
        """Return None: not known."""
        return None

    def types(self) -> Sequence[TypeToll] | None:
        """Return None: not known."""
        return None

    def limits(self) -> Sequence[SeenLimit]:
        """Return none: not known."""
        return ()

    def close(self) -> None:
        """Nothing is held."""
