"""The operator's port on a store in memory."""

from __future__ import annotations

import math
from collections.abc import Sequence

from pulpo.adapters.memory.line import Entry
from pulpo.adapters.memory.store import Queue, Store
from pulpo.duration import seconds as as_seconds
from pulpo.errors import UsageError
from pulpo.identity import check_queue
from pulpo.job import JobId, JobState, ListedJob, NewJob, QueueStats, check_new_job

__all__ = ["MemoryAdmin"]

_RANK = {JobState.RESERVED: 0, JobState.READY: 1, JobState.DELAYED: 2, JobState.BURIED: 3}


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
                (self._place(entry), entry)
                for entry in self._store.entries.values()
                if queue in (None, entry.job.queue) and state in (None, entry.state)
            ]
            found.sort(key=lambda item: item[0])
            return [self._listed(entry) for _, entry in found[:limit]]

    def peek(self, ids: Sequence[JobId]) -> Sequence[ListedJob | None]:
        """Look at jobs."""
        with self._store.lock:
            self._store.tick()
            found = [self._store.find(each) for each in ids]
            return [self._listed(entries[0]) if entries else None for entries in found]

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
            for entry in buried:
                self._store.give_back(entry)
            return len(buried)

    def bury(self, ids: Sequence[JobId]) -> Sequence[bool]:
        """Put ready or delayed jobs aside."""
        with self._store.lock:
            self._store.tick()
            return [self._bury(each) for each in ids]

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
            buried = waiting[0].state is JobState.BURIED
            self._store.remove(waiting[0])
            if buried:
                self._store.bury(rewritten)
            else:
                self._store.add(rewritten)
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
        for entry in resting:
            self._store.give_back(entry)
        return bool(resting)

    def _bury(self, id: JobId) -> bool:
        waiting = [e for e in self._waiting(id) if e.state is not JobState.BURIED]
        for entry in waiting:
            self._store.remove(entry)
            self._store.bury(entry.job)
        return bool(waiting)

    def _delete(self, id: JobId) -> bool:
        waiting = self._waiting(id)
        for entry in waiting:
            self._store.remove(entry)
        return bool(waiting)

    def _pause_left(self, queue: Queue) -> float:
        return queue.paused_until - self._store.clock.monotonic()

    def _due(self, entry: Entry) -> float:
        if entry.state is not JobState.DELAYED:
            return 0.0
        clock, at = self._store.clock, entry.job.at
        ends = (entry.due - clock.monotonic(), at - clock.wall() if at is not None else 0.0)
        return max(0.0, *ends)

    def _place(self, entry: Entry) -> tuple[int, float, int, int]:
        return (_RANK[entry.state], self._due(entry), entry.job.priority, entry.number)

    def _listed(self, entry: Entry) -> ListedJob:
        return ListedJob(
            id=entry.job.id,
            number=entry.number,
            queue=entry.job.queue,
            state=entry.state,
            body=entry.job.body,
            priority=entry.job.priority,
            due=self._due(entry),
            ttr=entry.job.ttr,
            crashes=entry.crashes,
        )
