"""The queue port on a store in memory."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from pulpo.adapters.memory.accepting import accept
from pulpo.adapters.memory.line import Entry
from pulpo.adapters.memory.store import Store
from pulpo.errors import QueueError, QueueUnavailableError
from pulpo.job import (
    Capabilities,
    Existing,
    Job,
    JobId,
    JobState,
    NewJob,
    Settlement,
    Verb,
    check_exchange,
    check_new_job,
)

__all__ = ["MemoryAdapter"]

# A clock that a test moves rings no bell: while time alone may make a job ready, look so often.
_GLANCE = 0.05
_LONGEST_WAIT = 3_600.0


class MemoryAdapter:
    """One thread's door to a store."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._held: dict[int, Entry] = {}
        self._woken = False
        self._closed = False

    @property
    def capabilities(self) -> Capabilities:
        """What a queue in memory can do."""
        self._check()
        return Capabilities(
            engine="memory",
            max_body=self._store.max_body,
            shared=False,
            keeps_pause=False,
            guards=True,
        )

    def put(self, jobs: Sequence[NewJob]) -> Sequence[JobId | Existing | QueueError]:
        """Put jobs; see `pulpo.adapter.QueueAdapter`."""
        self._check()
        for job in jobs:
            check_new_job(job)
        with self._store.lock:
            return [accept(self._store, job) for job in jobs]

    def exchange(
        self,
        settlements: Sequence[Settlement],
        queues: Sequence[str],
        *,
        limit: int,
        timeout: float,
    ) -> tuple[Sequence[bool | QueueError], Sequence[Job]]:
        """Settle, then reserve; see `pulpo.adapter.QueueAdapter`."""
        self._check()
        check_exchange(settlements, queues, limit=limit, timeout=timeout)
        with self._store.lock:
            self._store.tick()
            answers = [self._settle(settlement) for settlement in settlements]
            jobs = self._take(queues, limit)
            if not jobs and timeout > 0:
                jobs = self._wait(queues, limit, timeout)
            return answers, jobs

    def touch(self, jobs: Sequence[Job]) -> Sequence[bool | QueueError]:
        """Renew leases; see `pulpo.adapter.QueueAdapter`."""
        self._check()
        with self._store.lock:
            self._store.tick()
            return [self._touch(job) for job in jobs]

    def crashes(self, jobs: Sequence[Job]) -> Sequence[int]:
        """Return what the jobs say already."""
        self._check()
        return [job.crashes or 0 for job in jobs]

    def leave(self, jobs: Sequence[Job]) -> None:
        """Count no crash for runs that end with this process; see `pulpo.adapter.QueueAdapter`."""
        self._check()
        with self._store.lock:
            self._store.tick()
            for job in jobs:
                entry = self._store.owned(self, job)
                if entry is not None:
                    entry.crashes -= 1  # the crash that comes

    def wake(self) -> None:
        """Let a waiting exchange return; any thread."""
        with self._store.lock:
            self._woken = True
            self._store.lock.notify_all()

    def close(self) -> None:
        """Give back what is held."""
        with self._store.lock:
            self._closed = True
            for entry in self._let_go():
                self._store.give_back(entry)

    def crash(self) -> None:
        """Go without a word, as a worker that is killed; for tests of what comes after."""
        with self._store.lock:
            self._closed = True
            for entry in self._let_go():
                entry.crashes += entry.state is JobState.RESERVED
                self._store.give_back(entry)

    def _let_go(self) -> list[Entry]:
        held, self._held = self._held, {}
        return [entry for entry in held.values() if entry.owner is self]

    def _check(self) -> None:
        if self._closed:
            raise QueueUnavailableError("this door to the memory queue is closed")

    def _take(self, queues: Sequence[str], limit: int) -> list[Job]:
        jobs = self._store.take(self, queues, limit)
        for job in jobs:
            self._held[job.number] = self._store.entries[job.number]
        return jobs

    def _wait(self, queues: Sequence[str], limit: int, timeout: float) -> list[Job]:
        store, left = self._store, timeout
        while left > 0 and not self._woken:
            started, pause = store.clock.monotonic(), min(left, _LONGEST_WAIT)
            if limit and (change := store.next_change(queues)) < pause:
                pause = min(max(change, 0.0), _GLANCE)
            # Waiting is real time. A movable clock stands still meanwhile: then only waits that
            # ran their full length can be counted.
            rang = store.lock.wait(pause)
            left -= store.clock.monotonic() - started if rang else max(pause, 1e-3)
            store.tick()
            if jobs := self._take(queues, limit):
                return jobs
        self._woken = False
        return []

    def _touch(self, job: Job) -> bool:
        entry = self._store.owned(self, job)
        if entry is None:
            return False
        self._store.renew(entry)
        return True

    def _settle(self, settlement: Settlement) -> bool | QueueError:
        store, entry = self._store, self._store.owned(self, settlement.job)
        if entry is None:
            return False
        rewritten = settlement.rewritten
        if rewritten is not None and store.refusal(rewritten) is not None:
            # A story too long for the queue must not hold the job for ever.
            rewritten = replace(rewritten, body=entry.job.body)
        for job in settlement.then:
            if (refusal := store.refusal(job)) is not None:
                return refusal
        for job in settlement.then:
            accept(store, job)
        self._held.pop(entry.number, None)
        if settlement.verb is Verb.RELEASE:
            store.renew(entry)  # a word that comes too late, before anybody took it, is a word
            store.give_back(entry)
            return True
        store.remove(entry)
        if settlement.verb is Verb.REPLACE and rewritten:
            store.add(rewritten)
        elif settlement.verb is Verb.BURY and rewritten:
            store.bury(rewritten)
        return True
