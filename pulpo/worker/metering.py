"""How many jobs came to which end, and how long they ran: counted in a process, summed in another.

A worker process counts, and about once a second gives away what it has counted since; the
supervisor adds that up, over all processes and their successors. Only for workers that are watched
over HTTP: others meter nothing. What is kept by the minute for everybody is counted in
`pulpo.worker.tally`.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from pulpo.run import Run
from pulpo.telling import BOUNDS
from pulpo.worker.decide import Ending, Verdict
from pulpo.worker.journal import Ended

__all__ = ["BUCKETS", "OUTCOMES", "Meter", "Totals"]

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
# Of queues and types, which a stranger's messages could make up without end.
MOST_LABELS = 1_000
OTHERS = ("(others)", "(others)")

_Labels = tuple[str, str]


class Meter:
    """Counts in a worker process; the loop thread's."""

    def __init__(self) -> None:
        self._known: set[_Labels] = set()
        self._jobs: dict[tuple[_Labels, str], int] = {}
        self._runs: dict[_Labels, list[float]] = {}

    def count(self, ended: Sequence[Ended]) -> None:
        """Count jobs whose end the queue has confirmed."""
        for run, verdict, seconds in ended:
            self._note(run, verdict, seconds)

    def _note(self, run: Run, verdict: Verdict, seconds: float) -> None:
        outcome = verdict.ending.value
        if outcome not in OUTCOMES:
            return
        labels = self._labels(run)
        key = (labels, outcome)
        self._jobs[key] = self._jobs.get(key, 0) + 1
        if not run.started and not run.isolated:
            return
        counts = self._runs.get(labels)
        if counts is None:
            # One for each bucket, one for what is longer, and the sum.
            counts = self._runs[labels] = [0.0] * (len(BUCKETS) + 2)
        counts[bisect_left(BUCKETS, seconds)] += 1
        counts[-1] += seconds

    def _labels(self, run: Run) -> _Labels:
        # Its own name, not an alias; of what no code here knows, the one that all of it shares.
        labels = (run.queue, run.job_type.type)
        if labels not in self._known:
            if len(self._known) >= MOST_LABELS:
                return OTHERS
            self._known.add(labels)
        return labels

    def take(self) -> dict[str, object]:
        """Return what was counted since the last call, as plain values."""
        if not self._jobs:
            return {}
        jobs = [[*labels, outcome, count] for (labels, outcome), count in self._jobs.items()]
        runs = [[*labels, counts] for labels, counts in self._runs.items()]
        self._jobs, self._runs = {}, {}
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
