"""What a program can be told of its jobs while they go by: the names, and what is told.

Values only. Who listens, and in which thread, is said in `pulpo.listeners`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from pulpo.errors import UsageError
from pulpo.spelling import closest

__all__ = ["EVENTS", "Event", "check_event"]

EVENTS = (
    "published",
    "success",
    "retried",
    "snoozed",
    "cancelled",
    "buried",
    "expired",
    "lost",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """Something that happened to a job, and that its queue has confirmed.

    `name` is one of the names above, `id`, `type` and `queue` are the job's, `headers` those of its
    producer. `attempt` counts from 1 and is 0 for `published`; `duration` is the seconds of the
    run. `reason` is one line, `error` the failure in full, with its traceback; both may be empty.
    """

    name: str
    id: str
    type: str
    queue: str
    attempt: int = 0
    duration: float = 0.0
    reason: str = ""
    error: str = field(default="", repr=False)
    headers: Mapping[str, object] = field(default_factory=dict, repr=False)


def check_event(name: object) -> str:
    """Return the name of an event, or say which there are."""
    if isinstance(name, str) and name in EVENTS:
        return name
    close = closest(str(name), EVENTS)
    hint = f"did you mean {close!r}? " if close else ""
    raise UsageError(f"unknown event {name!r}; {hint}known: {', '.join(EVENTS)}")
