"""Which acts do something to a job in which state. Pure."""

from __future__ import annotations

from collections.abc import Iterable

from pulpo.job import JobState, QueueStats

__all__ = ["VERBS", "can", "counted", "counts", "states_for"]

_ON = {
    "kick": {JobState.BURIED, JobState.DELAYED},
    "delete": {JobState.READY, JobState.DELAYED, JobState.BURIED},
    "bury": {JobState.READY, JobState.DELAYED},
    "edit": {JobState.READY, JobState.DELAYED, JobState.BURIED},
}
#: The acts that can be done to many jobs at once.
VERBS = ("kick", "bury", "delete")


def can(verb: str, state: JobState | str) -> bool:
    """Tell whether an act does anything to a job in this state."""
    return JobState(state) in _ON[verb]


def states_for(verb: str, state: JobState | None) -> list[JobState]:
    """Return in which states an act does something, of one state or of all."""
    return [each for each in JobState if each in _ON[verb] and state in (None, each)]


def counts(states: Iterable[JobState]) -> dict[str, int]:
    """Return for each act to how many jobs, by their states, it would do something."""
    found = list(states)
    return {verb: sum(can(verb, state) for state in found) for verb in VERBS}


def counted(stats: QueueStats, state: JobState | None, *, most: int) -> dict[str, int]:
    """Return the same for the jobs of a queue by its counts, `most` at a time."""
    return {
        verb: min(sum(getattr(stats, each.value) for each in states_for(verb, state)), most)
        for verb in VERBS
    }
