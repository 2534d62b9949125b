"""What workers tell beside the queue, and how it is read back: who works, and what was done.

    with closing(side_of(engine)) as store:
        for worker in read_workers(store): ...
        for count in merged(read_minutes(store, since=now - 3600), by=("queue", "outcome")): ...

All of it is telling: it may be late by a second or so, and missing where a store was out of reach.
Nothing in the queue depends on it.
"""

from __future__ import annotations

from pulpo.telling.minutes import BOUNDS, MinuteCount, merged, quantile, read_minutes, tell_minutes
from pulpo.telling.stacks import (
    AskedStacks,
    SlotStack,
    Stacks,
    ask_stacks,
    read_stacks,
    stacks_question,
    tell_stacks,
)
from pulpo.telling.workers import (
    RunningJob,
    SeenWorker,
    forget_worker,
    read_workers,
    tell_worker,
)

__all__ = [
    "BOUNDS",
    "AskedStacks",
    "MinuteCount",
    "RunningJob",
    "SeenWorker",
    "SlotStack",
    "Stacks",
    "ask_stacks",
    "forget_worker",
    "merged",
    "quantile",
    "read_minutes",
    "read_stacks",
    "read_workers",
    "stacks_question",
    "tell_minutes",
    "tell_stacks",
    "tell_worker",
]
