"""Who holds which key: the guards of the jobs of one store.

Every method is called with the store's lock held. What is held for a time is a fact beside the
queue, as on every engine. Knows no settlement and no operator.
"""

from __future__ import annotations

from pulpo.adapters.memory.facts import Facts
from pulpo.adapters.memory.line import Entry
from pulpo.job import Existing, Guard, JobState, NewJob, kept_guard

__all__ = ["Guards"]

_SPACE = "guards"


class Guards:
    """The keys that are held.

    An entry is in here while it is live: neither gone nor buried, and, for a guard that ends with
    the first run, not reserved yet.
    """

    def __init__(self, facts: Facts) -> None:
        self._facts = facts
        self._held: dict[str, Entry] = {}

    def holder(self, key: str) -> Entry | Existing | None:
        """Return who holds a key; only its name where it is held for a time."""
        return self._held.get(key) or self._named(key)

    def is_free_for(self, entry: Entry) -> bool:
        """Tell whether nobody else holds the key that this entry is to hold."""
        guard = kept_guard(entry.job.guards)
        if guard is None or (entry.run and guard.until == "started"):
            return True
        return self.holder(guard.key) in (None, entry)

    def hold(self, entry: Entry) -> None:
        """Note the key that an entry holds, unless somebody else does."""
        guard = kept_guard(entry.job.guards)
        if guard is None or entry.state is JobState.BURIED:
            return
        if not (entry.run and guard.until == "started"):
            self._held.setdefault(guard.key, entry)

    def let_go(self, entry: Entry) -> None:
        """Free the key of an entry that is gone, or put aside."""
        guard = kept_guard(entry.job.guards)
        if guard is not None and self._held.get(guard.key) is entry:
            del self._held[guard.key]

    def start(self, entry: Entry) -> None:
        """Free the key of an entry whose first run begins, where it is held so long only."""
        guard = kept_guard(entry.job.guards)
        if guard is not None and guard.until == "started":
            self.let_go(entry)

    def hold_for_a_time(self, job: NewJob) -> None:
        """Note what a job that was accepted holds for so many seconds."""
        for guard in job.guards:
            if not isinstance(guard.until, str):
                self._note(guard, guard.until, job)

    def _note(self, guard: Guard, lasts: float, job: NewJob) -> None:
        with self._facts.lock:
            self._facts.put(_SPACE, guard.key, f"{job.id} {job.queue}".encode(), {}, lasts)

    def _named(self, key: str) -> Existing | None:
        with self._facts.lock:
            fact = self._facts.find(_SPACE, key)
        if fact is None:
            return None
        job_id, _, queue = fact.value.decode().partition(" ")
        return Existing(job_id, queue)
