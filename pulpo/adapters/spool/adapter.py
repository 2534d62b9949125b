"""The door to a queue with a spool: what the queue cannot take now is kept, and relayed later.

Settling and reserving go through as they are. How jobs are kept and relayed is told by the
neighbours of this file.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import closing, suppress

from pulpo.adapter import QueueAdapter
from pulpo.adapters.spool.hint import recall, remember
from pulpo.adapters.spool.reach import Reach
from pulpo.adapters.spool.relaying import Relayed, relay
from pulpo.adapters.spool.store import Spool
from pulpo.clock import Clock
from pulpo.errors import (
    PublishUncertainError,
    PulpoError,
    QueueDrainingError,
    QueueError,
    QueueFullError,
    QueueUnavailableError,
    QueueUnusableError,
)
from pulpo.job import Capabilities, Existing, Job, JobId, NewJob, Settlement, check_new_job

__all__ = ["SpoolingAdapter"]

# A worker looks into the spool so often, in seconds, and relays for so long at a time.
_LOOK, _WORKERS_SHARE = 1.0, 0.1

_KEPT = (QueueUnavailableError, PublishUncertainError, QueueDrainingError)


class SpoolingAdapter:
    """One thread's door; `open_door` opens one of the queue's own."""

    def __init__(
        self,
        open_door: Callable[[], QueueAdapter],
        spool: Spool,
        reach: Reach,
        clock: Clock,
        *,
        beat: Callable[[], None],
        keeps_guards: bool = True,
    ) -> None:
        self._keeps_guards = keeps_guards
        self._open_door = open_door
        self._queue = open_door()
        self._spool = spool
        self._reach = reach
        self._clock = clock
        self._beat = beat
        self._closed = False
        self._in_reach = False
        self._look_at = float("-inf")
        self._left = False

    @property
    def capabilities(self) -> Capabilities:
        """What this queue can do; while it is away, what it could do when it was last asked."""
        if self._closed:
            return self._queue.capabilities  # which says so
        if self._reach.fresh:
            return self._reach.capabilities
        if self._reach.is_worth_a_try():
            since = self._reach.claim()
            try:
                found = self._queue.capabilities
            except QueueUnusableError:
                self._reach.again()
                raise
            except QueueUnavailableError as error:
                self._reach.lost(since, error)
                self._recall()
            else:
                self._reach.again()
                self._reach.learn(found)
                self._in_reach = True
        return self._reach.capabilities

    def _recall(self) -> None:
        if not self._reach.asked:
            self._reach.capabilities = recall(self._spool.folder) or self._reach.capabilities

    def put(self, jobs: Sequence[NewJob]) -> Sequence[JobId | Existing | QueueError]:
        """Put jobs, or keep them where the queue is away; see `pulpo.adapter.QueueAdapter`."""
        if self._closed or not jobs:
            return self._queue.put(jobs)
        if not self._reach.is_worth_a_try():
            return self._keep(jobs, [self._reach.why] * len(jobs))
        since = self._reach.claim()
        answers: Sequence[JobId | Existing | QueueError]
        try:
            error = self._relay_first() if self._reach.is_time_to_relay(since) else None
            answers = self._queue.put(jobs) if error is None else [error] * len(jobs)
        except QueueUnusableError:
            self._reach.again()
            raise
        except QueueUnavailableError as unavailable:
            answers = [unavailable] * len(jobs)
        away = next((answer for answer in answers if isinstance(answer, _KEPT)), None)
        if away is not None:
            self._reach.lost(since, away)
            return self._keep(jobs, answers)
        self._reach.back()
        return answers

    def _keep(
        self, jobs: Sequence[NewJob], answers: Sequence[JobId | Existing | QueueError]
    ) -> Sequence[JobId | Existing | QueueError]:
        """Keep the jobs whose answers say that the queue has not taken them, or may not have."""
        for job in jobs:
            check_new_job(job)
            if job.guards and not self._keeps_guards:
                return self._queue.put(jobs)  # which says why it never takes them
        away = [n for n, answer in enumerate(answers) if _is_to_be_kept(jobs[n], answer)]
        kept = self._spool.keep([jobs[n] for n in away])
        self._reach.relay_soon()
        results = list(answers)
        for n, trouble in zip(away, kept, strict=True):
            answer = answers[n]
            assert isinstance(answer, QueueError)
            results[n] = jobs[n].id if trouble is None else _sum(answer, trouble)
        return results

    def _relay_first(self) -> QueueError | None:
        """Let a flight of kept jobs go before new ones; return why the queue takes none."""
        if not self._reach.checked:
            self._check_folder()
        self._reach.fresh = False
        arrivals = self._spool.arrivals
        relayed = self._relay(self._queue, seconds=0.0)
        stopped = relayed.busy or relayed.error is not None
        if stopped or not relayed.left:
            self._reach.relay_later(empty=not stopped)
        if arrivals != self._spool.arrivals:  # another thread has kept one meanwhile
            self._reach.relay_soon()
        away = relayed.error if isinstance(relayed.error, _KEPT) else None
        return None if away is None else QueueUnavailableError(f"not sent: {away}")

    def _check_folder(self) -> None:
        """Refuse at the first publish a folder that is not ours alone, not in the first outage."""
        try:
            self._spool.prepare()
        except OSError:
            return  # a publish must not fail by that while the queue is there
        except QueueUnavailableError as error:
            raise QueueUnusableError(str(error)) from error
        if self._reach.asked:
            remember(self._spool.folder, self._reach.capabilities)
            self._reach.checked = True

    def _relay(self, door: QueueAdapter, *, seconds: float) -> Relayed:
        try:
            if self._spool.is_empty():
                return Relayed()
            return relay(self._spool, door, self._clock, seconds=seconds)
        except (PulpoError, OSError):  # of the spool: the queue's own are in `Relayed`
            return Relayed(left=True, busy=True)

    def exchange(
        self,
        settlements: Sequence[Settlement],
        queues: Sequence[str],
        *,
        limit: int,
        timeout: float,
    ) -> tuple[Sequence[bool | QueueError], Sequence[Job]]:
        """Settle, then reserve; about once a second with a look into the spool."""
        if self._in_reach and self._clock.monotonic() >= self._look_at:
            self._relay_beside()
        # Until the queue has answered: waiting twice for one that is away would stop the beats.
        self._in_reach = False
        patience = min(timeout, _WORKERS_SHARE) if self._left else timeout
        results, jobs = self._queue.exchange(settlements, queues, limit=limit, timeout=patience)
        self._in_reach = True
        if not self._reach.asked:
            self._ask()
        # Whoever does not wait takes no job for an answer: then there must be none here either.
        while self._left and limit and not (jobs or timeout) and self._relay_beside():
            try:
                _, jobs = self._queue.exchange([], queues, limit=limit, timeout=0.0)
            except QueueUnavailableError:
                break  # the settlements of this call have to be told
        return results, jobs

    def _ask(self) -> None:
        with suppress(QueueUnavailableError):  # jobs may have come: they have to be delivered
            self._reach.learn(self._queue.capabilities)

    def _relay_beside(self) -> int:
        """Relay on a connection of its own: one that holds jobs must not meet a doubt here."""
        since = self._clock.monotonic()
        self._left = False
        count = 0
        try:
            if not self._spool.is_empty():
                self._beat()
                with closing(self._open_door()) as door:
                    relayed = relay(self._spool, door, self._clock, seconds=_WORKERS_SHARE)
                count = relayed.count
                self._left = relayed.left and not relayed.busy and relayed.error is None
                self._beat()
        except (PulpoError, OSError):
            pass  # what is wrong with the queue the worker sees itself; the spool `stats` shows
        took = self._clock.monotonic() - since
        self._look_at = since + took + (2 * took if self._left else max(_LOOK, 4 * took))
        return count

    def touch(self, jobs: Sequence[Job]) -> Sequence[bool | QueueError]:
        """Renew leases; see `pulpo.adapter.QueueAdapter`."""
        return self._queue.touch(jobs)

    def crashes(self, jobs: Sequence[Job]) -> Sequence[int]:
        """Count runs without a word; see `pulpo.adapter.QueueAdapter`."""
        return self._queue.crashes(jobs)

    def leave(self, jobs: Sequence[Job]) -> None:
        """Say that runs end with this process; see `pulpo.adapter.QueueAdapter`."""
        self._queue.leave(jobs)

    def wake(self) -> None:
        """Let a waiting exchange return; any thread."""
        self._queue.wake()

    def close(self) -> None:
        """Let go of the queue; what is in the spool stays there."""
        self._closed = True
        self._queue.close()


def _is_to_be_kept(job: NewJob, answer: JobId | Existing | QueueError) -> bool:
    # To take the place of one that waits cannot be done later.
    return isinstance(answer, _KEPT) and all(guard.instead is None for guard in job.guards)


def _sum(answer: QueueError, trouble: QueueError) -> QueueError:
    """Return what a producer is told where neither the queue nor the spool has taken a job."""
    if isinstance(answer, PublishUncertainError):
        return answer  # it may be queued, and the spool cannot know better
    if not isinstance(trouble, QueueFullError | PublishUncertainError):
        trouble = QueueUnavailableError(f"{answer}; and {trouble}")
    trouble.__cause__ = answer
    return trouble
