"""Schedules of a worker whose wall clock a test sets, and who does what they publish.

worker tests.chaos.periodic_tasks -q nobodys      keeps time, runs nothing
worker tests.chaos.periodic_work -q ticks         runs it, keeps no time
"""

from __future__ import annotations

import pulpo
import pulpo.worker.ticking
import tests.chaos.clocks  # noqa: F401  # it sets the wall clock of this process
from pulpo import Message

__all__ = ["SCHEDULES", "TYPE"]

TYPE, QUEUE = "tick.note", "ticks"
#: By name: what is said about when. Both are in a zone with two nights in which clocks are moved.
SCHEDULES: dict[str, dict[str, str]] = {
    "night": {"cron": "30 2 * * *", "tz": "Europe/Zurich"},
    "weekday": {"cron": "0 9 * * mon-fri", "tz": "America/New_York"},
    "hourly": {"cron": "15 */6 * * *", "tz": "Europe/Zurich"},
    "steady": {"every": "11h"},
}

# The clock is set and nobody tells: looked at a hundred times as often as elsewhere.
pulpo.worker.ticking.LONGEST = 0.05
pulpo.worker.ticking.SPREAD = 0.02

for name, when in SCHEDULES.items():
    pulpo.schedule(
        Message(type=TYPE, queue=QUEUE, body=name),
        name=name,
        missed="all",
        within="366d",
        **when,  # type: ignore[arg-type]  # words, as a settings file has them
    )


@pulpo.job(type="tick.nobodys", queue="nobodys")
def nobodys() -> None:
    """A worker has job types; this one's are never published."""
