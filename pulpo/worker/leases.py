"""Which leases are due for renewal, and which runs are over their time.

Pure, on monotonic seconds that the caller supplies: touching and interrupting are `watch.py`'s
business.
"""

from __future__ import annotations

from collections.abc import Iterable

from pulpo.run import Run

__all__ = ["due", "lease", "over_time", "overdue"]


def due(runs: Iterable[Run], now: float) -> list[Run]:
    """Return the runs whose lease is a third over: two more tries before it ends."""
    return [run for run in runs if not run.gone and now - run.renewed >= lease(run) / 3]


def overdue(run: Run, now: float) -> bool:
    """Tell whether a lease was not confirmed for its whole length."""
    return now - run.renewed > lease(run)


def lease(run: Run) -> float:
    """Return the length of a run's lease in seconds."""
    return run.envelope.ttr if run.job.ttr is None else run.job.ttr


def over_time(runs: Iterable[Run], now: float) -> list[Run]:
    """Return the runs that have begun and are over the `timeout` of their type."""
    return [
        run
        for run in runs
        if run.started and not run.isolated and now - run.started > run.job_type.timeout
    ]
