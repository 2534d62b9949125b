"""Which acts do something to a job in which state. Pure."""

from __future__ import annotations

from collections.abc import Iterable

from pulpo.job import JobState

__all__ = ["VERBS", "can", "counts"]

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


def counts(states: Iterable[JobState]) -> dict[str, int]:
    """Return for each act to how many jobs, by their states, it would do something."""
    found = list(states)
    return {verb: sum(can(verb, state) for state in found) for verb in VERBS}
