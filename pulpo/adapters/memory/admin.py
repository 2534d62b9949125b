"""The operator's port on a store in memory."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from itertools import islice

from pulpo.adapters.memory.accepting import holder
from pulpo.adapters.memory.changing import carry_out, replace
from pulpo.adapters.memory.line import Entry
from pulpo.adapters.memory.looking import place, sample, shown, walk
from pulpo.adapters.memory.store import Queue, Store
from pulpo.duration import seconds as as_seconds
from pulpo.errors import QueueError, UsageError
from pulpo.identity import check_queue
from pulpo.job import (
    Change,
    Existing,
    JobId,
    JobState,
    ListedJob,
    NewJob,
    Page,
    QueueStats,
    Sighting,
    check_changes,
    check_new_job,
)

__all__ = ["MemoryAdmin"]


class MemoryAdmin:
    """An operator's door to a store."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def queues(self) -> Sequence[str]:
        """Return the queues that hold a job or are paused."""
        with self._store.lock:
            return sorted(
                name
                for name, queue in self._store.queues.items()
                if any(queue.counts.values()) or self._pause_left(queue) > 0
            )

    def stats(self, queue: str) -> QueueStats:
        """Count the jobs of a queue."""
        check_queue(queue)
        with self._store.lock:
            self._store.tick()
            found = self._store.queues.get(queue)
            if found is None:
                return QueueStats(queue=queue)
            left = self._pause_left(found)
            return QueueStats(
                queue=queue,
                **{state.value: count for state, count in found.counts.items()},
                paused=left > 0,
                pause_left=left if 0 < left < math.inf else None,
            )

    def list(
        self, queue: str | None = None, state: JobState | None = None, *, limit: int = 100
    ) -> Sequence[ListedJob]:
        """List jobs: the reserved ones, then the others in the order in which they would run."""
        if queue is not None:
            check_queue(queue)
        if limit < 0:
            raise UsageError(f"limit must be 0 or more: {limit!r}")
        with self._store.lock:
            self._store.tick()
            found = [
                (place(self._store, entry), entry)
                for entry in self._store.entries.values()
                if queue in (None, entry.job.queue) and state in (None, entry.state)
            ]
            found.sort(key=lambda item: item[0])
            return [shown(self._store, entry) for _, entry in found[:limit]]

    def walk(
        self,
        queue: str | None = None,
        state: JobState | None = None,
        *,
        type: str | None = None,  # noqa: ARG002  # spares nothing here
        bodies: bool = True,  # noqa: ARG002  # nor does this
    ) -> Iterator[Page]:
        """Look at all jobs, a page at a time; see `pulpo.adapter.QueueAdmin`."""
        if queue is not None:
            check_queue(queue)
        return walk(self._store, queue, state)

    def sample(self) -> Iterator[Sequence[ListedJob]]:
        """Yield every job, in pages."""
        return sample(self._store)

    def newest(self, limit: int = 1_000) -> Sequence[ListedJob]:
        """Return the last jobs that were put; see `pulpo.adapter.QueueAdmin`."""
        with self._store.lock:
            self._store.tick()
            last = islice(reversed(self._store.entries.values()), limit)
            return [shown(self._store, entry) for entry in last]

    def look(self, jobs: Sequence[Sighting]) -> Sequence[ListedJob | None]:
        """Look at jobs once more."""
        with self._store.lock:
            self._store.tick()
            found = [self._store.entries.get(job.number) for job in jobs]
            return [
                shown(self._store, entry) if entry is not None and entry.job.id == job.id else None
                for job, entry in zip(jobs, found, strict=True)
            ]

    def change(self, changes: Sequence[Change]) -> Sequence[bool | QueueError]:
        """Change jobs that were seen; see `pulpo.adapter.QueueAdmin`."""
        check_changes(changes)
        with self._store.lock:
            self._store.tick()
            return [carry_out(self._store, change) for change in changes]

    def peek(self, ids: Sequence[JobId]) -> Sequence[ListedJob | None]:
        """Look at jobs."""
        with self._store.lock:
            self._store.tick()
            found = [self._store.find(each) for each in ids]
            return [shown(self._store, entries[0]) if entries else None for entries in found]

    def ahead(self, job: ListedJob) -> tuple[int, int]:
        """Count the ready jobs that go before one, exactly."""
        line = self.list(job.queue, JobState.READY, limit=len(self._store.entries))
        before = (job.priority, job.number)
        count = sum((other.priority, other.number) < before for other in line)
        return count, count

    def holders(self, keys: Sequence[str]) -> Sequence[Existing | None]:
        """Return who holds these keys; see `pulpo.adapter.Guarding`."""
        with self._store.lock:
            self._store.tick()
            found = [holder(self._store, key) for key in keys]
            return [Existing(e.job.id, e.job.queue) if isinstance(e, Entry) else e for e in found]

    def kick(self, ids: Sequence[JobId]) -> Sequence[bool]:
        """Make buried or delayed jobs ready."""
        with self._store.lock:
            self._store.tick()
            return [self._kick(each) for each in ids]

    def kick_all(self, queue: str) -> int:
        """Make all buried jobs of a queue ready."""
        check_queue(queue)
        with self._store.lock:
            found = self._store.queues.get(queue)
            buried = list(found.buried.values()) if found else []
            return sum(self._store.kick(entry) for entry in buried)

    def delete(self, ids: Sequence[JobId]) -> Sequence[bool]:
        """Delete jobs that are not being run."""
        with self._store.lock:
            self._store.tick()
            return [self._delete(each) for each in ids]

    def edit(self, id: JobId, rewritten: NewJob) -> bool:
        """Put a rewritten job in the place of one that is not being run."""
        check_new_job(rewritten)
        with self._store.lock:
            self._store.tick()
            waiting = self._waiting(id)
            if not waiting:
                return False
            if (refusal := self._store.refusal(rewritten)) is not None:
                raise refusal
            replace(self._store, waiting[0], rewritten)
            return True

    def pause(self, queue: str, seconds: float | None = None) -> None:
        """Let nobody reserve from a queue for a while."""
        check_queue(queue)
        length = math.inf if seconds is None else as_seconds(seconds, "pause")
        with self._store.lock:
            self._store.queue(queue).paused_until = self._store.clock.monotonic() + length

    def resume(self, queue: str) -> None:
        """End a pause."""
        check_queue(queue)
        with self._store.lock:
            found = self._store.queues.get(queue)
            if found is not None:
                found.paused_until = 0.0
                self._store.forget_if_empty(queue)
                self._store.lock.notify_all()

    def close(self) -> None:
        """Nothing is held here."""

    def _waiting(self, id: JobId) -> Sequence[Entry]:
        return [entry for entry in self._store.find(id) if entry.state is not JobState.RESERVED]

    def _kick(self, id: JobId) -> bool:
        resting = [e for e in self._waiting(id) if e.state is not JobState.READY]
        return sum(self._store.kick(entry) for entry in resting) > 0

    def _delete(self, id: JobId) -> bool:
        waiting = self._waiting(id)
        for entry in waiting:
            self._store.remove(entry)
        return bool(waiting)

    def _pause_left(self, queue: Queue) -> float:
        return queue.paused_until - self._store.clock.monotonic()
