"""What an operator does with one job of a store; called with its lock held."""

from __future__ import annotations

import dataclasses

from pulpo.adapters.memory.line import Entry
from pulpo.adapters.memory.store import Store
from pulpo.errors import QueueError
from pulpo.job import Act, Change, JobState, NewJob

__all__ = ["carry_out", "replace"]

_KICKED = (JobState.BURIED, JobState.DELAYED)


def carry_out(store: Store, change: Change) -> bool | QueueError:
    """Carry out one change; see `pulpo.adapter.QueueAdmin`."""
    entry, rewritten = store.entries.get(change.job.number), change.rewritten
    if entry is None or entry.job.id != change.job.id or entry.state is JobState.RESERVED:
        return False
    if change.act is Act.KICK:
        if entry.state not in _KICKED:
            return False
        return store.kick(entry)
    if rewritten is None:
        store.remove(entry)
    elif (refusal := store.refusal(rewritten)) is not None:
        return refusal
    else:
        replace(store, entry, rewritten, bury=change.act is Act.BURY)
    return True


def replace(store: Store, entry: Entry, rewritten: NewJob, *, bury: bool = False) -> None:
    """Put a rewritten job in the place of another; a buried one stays buried.

    It goes on with the guards that it has.
    """
    bury = bury or entry.state is JobState.BURIED
    guards = [guard for guard in entry.job.guards if not (entry.run and guard.until == "started")]
    job = dataclasses.replace(rewritten, guards=guards)
    store.remove(entry)
    if bury:
        store.bury(job)
    else:
        store.add(job)
