"""When a periodic job is due: rules, their ticks, and which of these to publish now.

    timing = make_timing(cron="0 9 * * mon-fri", tz="Europe/Zurich")
    plan(timing, since=last, now=now).ticks

A *tick* is a moment at which a schedule is due, as a second since the epoch. Values and pure
decisions: nothing here knows a job type, a queue, or what time it is.
"""

from __future__ import annotations

from pulpo.periodic.plan import LATE, MOST, Plan, handover, plan, trusted
from pulpo.periodic.rules import Cron, Every, Rule
from pulpo.periodic.timing import (
    TIMING_OPTIONS,
    Missed,
    Overlap,
    Timing,
    TimingOptions,
    make_timing,
)

__all__ = [
    "LATE",
    "MOST",
    "TIMING_OPTIONS",
    "Cron",
    "Every",
    "Missed",
    "Overlap",
    "Plan",
    "Rule",
    "Timing",
    "TimingOptions",
    "handover",
    "make_timing",
    "plan",
    "trusted",
]
