"""Which acts do something to a job in which state. Pure.

What an act on many jobs means is `pulpo.bulk`'s, the same as on the command line.
"""

from __future__ import annotations

from collections.abc import Mapping

from pulpo.bulk import acted_on
from pulpo.job import Act, JobState, QueueStats

__all__ = ["ACTS", "can", "counted", "numbers"]

_ON = {
    "kick": {JobState.BURIED, JobState.DELAYED},
    "delete": {JobState.READY, JobState.DELAYED, JobState.BURIED},
    "bury": {JobState.READY, JobState.DELAYED},
    "edit": {JobState.READY, JobState.DELAYED, JobState.BURIED},
}
#: The acts that can be done to many jobs at once, and how the engines call them.
ACTS = {"kick": Act.KICK, "bury": Act.BURY, "delete": Act.DELETE}


def can(verb: str, state: JobState | str) -> bool:
    """Tell whether an act does anything to a job in this state."""
    return JobState(state) in _ON[verb]


def numbers(found: Mapping[JobState, int], state: JobState | None) -> dict[str, int]:
    """Return to how many jobs each act on many would do something, of so many in each state.

    `state` is what the filter asks for.
    """
    return {
        verb: sum(found.get(each, 0) for each in acted_on(act, state)) for verb, act in ACTS.items()
    }


def counted(stats: QueueStats) -> dict[JobState, int]:
    """Return how many jobs of a queue are in which state."""
    return {state: getattr(stats, state.value) for state in JobState}
