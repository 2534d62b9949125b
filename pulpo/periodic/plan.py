"""Which ticks of a schedule to publish now, and when to look again.

Pure: the schedule, up to where all is published, and now; no clock, no queue, no randomness.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pulpo.periodic.rules import Rule
    from pulpo.periodic.timing import Timing

__all__ = ["LATE", "MOST", "Plan", "handover", "plan", "trusted"]

#: A tick that is published within so many seconds is in time; an older one was missed.
LATE = 60.0
#: So many ticks are made up for at most, the last ones.
MOST = 1_000
# A clock that says less than was published already may be put right; further off, that was wrong.
_FAR_AHEAD = 86_400.0


@dataclass(frozen=True, slots=True)
class Plan:
    """What to do now.

    `ticks` are to be published, in order. `missed` counts those that are given up, the too old ones
    not among them. Once they are published, all is done up to `upto`. `next` is the next tick to
    wait for, None where none comes any more. All moments are seconds since the epoch.
    """

    ticks: tuple[float, ...]
    missed: int
    upto: float
    next: float | None


def plan(timing: Timing, since: float, now: float) -> Plan:
    """Plan for a schedule of which everything up to `since` is done, which is to be `trusted`.

    A tick of the last minute is in time, whatever else was missed. Older ones are made up for as
    the timing says: none of them, the last one where no tick in time stands for it, or all; within
    its bound, and never more than `MOST`.
    """
    in_time, _ = timing.rule.within(max(since, now - LATE), now, most=MOST)
    missed, others = timing.rule.within(
        max(since, now - timing.within), min(now - LATE, now), most=MOST
    )
    made_up = _made_up(timing, missed, is_on_time=bool(in_time))
    ticks = (*made_up, *in_time)[-MOST:]
    due = (*missed, *in_time)
    return Plan(
        ticks=ticks,
        missed=len(due) + others - len(ticks),
        upto=due[-1] if due else _given_up(timing, since, now),
        next=next(timing.rule.after(max(since, now)), None),
    )


def _given_up(timing: Timing, since: float, now: float) -> float:
    """Return up to where all is done where nothing is due: further where all of that is too old."""
    first = next(timing.rule.after(since), None)
    return since if first is None or first > now else now - timing.within


def _made_up(timing: Timing, missed: list[float], *, is_on_time: bool) -> list[float]:
    if timing.missed.value == "all":
        return missed
    return missed[-1:] if timing.missed.value == "once" and not is_on_time else []


def trusted(since: float, now: float) -> float:
    """Return up to where all is done, or now where that was said by a clock far ahead of ours."""
    return now if since > now + _FAR_AHEAD else since


def handover(before: Rule, since: float, now: float) -> float:
    """Return from where on a schedule counts that takes the place of one with another rule.

    Everything up to `since` is done by the rule of before. What was due by that and is not
    published was missed, and from there on the new one counts; else it begins now.
    """
    missed = next(before.after(since), None)
    return max(since, now) if missed is None or missed > now else missed - 1.0
