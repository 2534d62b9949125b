"""What all processes of a worker have counted since its start: told by each, summed in one.

Only for workers that are watched over HTTP. Knows how counts travel as plain values, not how they
came about.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pulpo.telling import BOUNDS, MinuteCount
from pulpo.worker.decide import Ending

__all__ = ["BUCKETS", "OUTCOMES", "Totals", "as_facts"]

OUTCOMES = (
    Ending.SUCCESS.value,
    Ending.RETRIED.value,
    Ending.SNOOZED.value,
    Ending.CANCELLED.value,
    Ending.BURIED.value,
    Ending.EXPIRED.value,
    Ending.LOST.value,
)
#: Upper bounds of the histogram of runtimes, in seconds.
BUCKETS = BOUNDS

_Labels = tuple[str, str]


def as_facts(counts: Sequence[MinuteCount]) -> dict[str, object]:
    """Return counts as plain values; those of jobs that have come to no end are left out."""
    ended = [count for count in counts if count.outcome in OUTCOMES]
    if not ended:
        return {}
    return {
        "jobs": [[count.queue, count.type, count.outcome, count.jobs] for count in ended],
        "runs": [
            [count.queue, count.type, [*count.runtimes, count.seconds]]
            for count in ended
            if any(count.runtimes)
        ],
    }


class Totals:
    """The sums; the supervisor's."""

    def __init__(self) -> None:
        #: By queue and type: how many came to each outcome.
        self.jobs: dict[_Labels, dict[str, int]] = {}
        #: By queue and type: one count for each bucket, one for longer runs, and the seconds.
        self.runs: dict[_Labels, list[float]] = {}

    def add(self, facts: Mapping[str, Any]) -> None:
        """Add what a process has counted."""
        for queue, type, outcome, count in facts.get("jobs", ()):
            outcomes = self.jobs.setdefault((queue, type), dict.fromkeys(OUTCOMES, 0))
            outcomes[outcome] += count
        for queue, type, counts in facts.get("runs", ()):
            sums = self.runs.setdefault((queue, type), [0.0] * (len(BUCKETS) + 2))
            for number, count in enumerate(counts):
                sums[number] += count
