"""How many jobs came to which end, and how long they ran, over all processes of a worker.

Each process counts for itself (`pulpo.worker.tally`), and about once a second gives away what is
new, as plain values; the supervisor adds that up, over all processes and their successors. Only for
workers that are watched over HTTP.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from pulpo.telling import BOUNDS, MinuteCount, merged
from pulpo.worker.decide import Ending

__all__ = ["BUCKETS", "OUTCOMES", "Totals", "report"]

OUTCOMES = (
    Ending.SUCCESS.value,
    Ending.RETRIED.value,
    Ending.SNOOZED.value,
    Ending.CANCELLED.value,
    Ending.BURIED.value,
    Ending.EXPIRED.value,
    Ending.LOST.value,
)
# Upper bounds of the histogram of runtimes, in seconds.
BUCKETS = BOUNDS

_Labels = tuple[str, str]


def report(counts: Iterable[MinuteCount]) -> dict[str, object]:
    """Return what a process has counted as plain values: ends of jobs, and the times of runs."""
    ends = [count for count in counts if count.outcome in OUTCOMES]
    if not ends:
        return {}
    jobs = [
        [count.queue, count.type, count.outcome, count.jobs]
        for count in merged(ends, by=("queue", "type", "outcome"))
    ]
    runs = [
        [count.queue, count.type, [*count.runtimes, count.seconds]]
        for count in merged(ends, by=("queue", "type"))
        if sum(count.runtimes)
    ]
    return {"jobs": jobs, "runs": runs}


class Totals:
    """What all processes have counted since the worker's start; the supervisor's."""

    def __init__(self) -> None:
        #: By queue and type: how many came to each outcome.
        self.jobs: dict[_Labels, dict[str, int]] = {}
        #: By queue and type: one count for each bucket, one for longer runs, and the seconds.
        self.runs: dict[_Labels, list[float]] = {}

    def expect(self, pairs: Iterable[Sequence[str]]) -> None:
        """Begin at 0 for queues and types that are known before the first job.

        Of a counter whose first value is 1, Prometheus does not see that it has grown.
        """
        for queue, type in pairs:
            self.jobs.setdefault((queue, type), dict.fromkeys(OUTCOMES, 0))

    def add(self, facts: Mapping[str, Any]) -> None:
        """Add what a process has counted."""
        for queue, type, outcome, count in facts.get("jobs", ()):
            outcomes = self.jobs.setdefault((queue, type), dict.fromkeys(OUTCOMES, 0))
            outcomes[outcome] += count
        for queue, type, counts in facts.get("runs", ()):
            sums = self.runs.setdefault((queue, type), [0.0] * (len(BUCKETS) + 2))
            for number, count in enumerate(counts):
                sums[number] += count
