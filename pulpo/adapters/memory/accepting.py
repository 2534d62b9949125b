"""Accepting a job, or naming who holds one of its keys; called with the store's lock held."""

from __future__ import annotations

from pulpo.adapters.memory.changing import replace
from pulpo.adapters.memory.line import Entry
from pulpo.adapters.memory.looking import shown
from pulpo.adapters.memory.store import Store
from pulpo.errors import QueueError
from pulpo.job import Existing, Guard, JobId, JobState, NewJob

__all__ = ["accept", "holder"]

_WAITING = (JobState.READY, JobState.DELAYED)


def accept(store: Store, job: NewJob) -> JobId | Existing | QueueError:
    """Add a job where it is not too large and its keys are free; see `QueueAdapter.put`."""
    refusal = store.refusal(job)
    if refusal is not None:
        return refusal
    if job.guards:
        store.tick()
        for guard in job.guards:
            held = holder(store, guard.key)
            if held is not None:
                return _meet(store, guard, held)
        store.guards.hold_for_a_time(job)
    store.add(job)
    return job.id


def holder(store: Store, key: str) -> Entry | Existing | None:
    """Return who holds a key; only its name where it waits and runs no more."""
    held = store.guards.holder(key)
    if isinstance(held, Existing):
        live = [entry for entry in store.find(held.id) if entry.state is not JobState.BURIED]
        return live[0] if live else held
    return held


def _meet(store: Store, guard: Guard, held: Entry | Existing) -> Existing | QueueError:
    if isinstance(held, Existing):
        return held
    job = held.job
    if guard.instead is not None and held.state in _WAITING:
        job = guard.instead(shown(store, held))
        refusal = store.refusal(job)
        if refusal is not None:
            return refusal
        replace(store, held, job)
    return Existing(job.id, job.queue)
