"""The values of the model: a job as it must be, a reservation, and the answers to a settlement.

What becomes of them is `tests.model.world`.
"""

from __future__ import annotations

from dataclasses import dataclass

from pulpo.job import Job, JobState, NewJob

__all__ = [
    "BURIED",
    "DELAYED",
    "READY",
    "RESERVED",
    "Answer",
    "Counts",
    "Entry",
    "Receipt",
    "Refused",
]

READY, DELAYED, RESERVED, BURIED = (
    JobState.READY,
    JobState.DELAYED,
    JobState.RESERVED,
    JobState.BURIED,
)


@dataclass(frozen=True, slots=True)
class Receipt:
    """A reservation as its door has it: `job` is what the engine handed out."""

    door: str
    run: int
    id: str
    job: Job


class Refused:
    """The answer to a settlement of which a follower was not accepted: some `QueueError`."""


Answer = bool | Refused


@dataclass(slots=True)
class Entry:
    """A job as it must be.

    `rank` is its place among equals, `birth` changes with every copy of it. `due` is on the
    monotonic clock, `due_wall` and `moment` on the wall. `owner` and `run` are those of its last
    reservation. A `late` job's lease ran out: ready for anybody, its owner's until somebody takes
    it. One that is `left_behind` was held by a dead owner. `unsure`: its crashes are not promised.
    """

    new: NewJob
    rank: int
    birth: int
    state: JobState = READY
    due: float = 0.0
    due_wall: float = 0.0
    moment: float = 0.0
    owner: str = ""
    run: int = 0
    lease: float = 0.0
    late: bool = False
    left_behind: bool = False
    crashes: int = 0
    unsure: bool = False

    @property
    def place(self) -> tuple[int, int]:
        """Whoever is smaller comes first."""
        return self.new.priority, self.rank


@dataclass(slots=True)
class Counts:
    """How much was tried."""

    examples: int = 0
    steps: int = 0
    reserved: int = 0
    settled: int = 0
    refused: int = 0
    lost: int = 0
    stalled: int = 0
