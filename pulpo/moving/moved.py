"""What a move has done so far, in numbers. Knows nothing else."""

from __future__ import annotations

from dataclasses import dataclass, field

__all__ = ["COUNTED", "Moved"]

#: What is counted over all runs of one move, however often it is killed.
COUNTED = ("count", "doubtful", "twice")


@dataclass(slots=True)
class Moved:
    """Counts of jobs.

    `count` were put at the target. `doubtful` were on their way when the move was killed, and may
    run twice; no others can, but the `twice` that a worker took meanwhile, after their lease ran
    out. `running` were left to the workers that run them. `why` is what the target had against
    those that it `refused`: they stay where they were.
    """

    count: int = 0
    doubtful: int = 0
    twice: int = 0
    refused: int = 0
    running: int = 0
    why: set[str] = field(default_factory=set)
