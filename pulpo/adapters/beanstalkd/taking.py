"""Taking the keys that new jobs need, as facts beside the queue: before the put, and after it.

    keys = Taking(store, admin, jobs)
    keys.take()                # `keys.answers`: None where a job has all its keys
    ...                        # put those
    keys.confirm(numbers)      # say where they are, and give back the keys of those refused

Who is killed in between leaves facts of a job that is pending: the next one who wants its key looks
for the job, see `pulpo.holds`. Knows no connection.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from pulpo.errors import PublishUncertainError, QueueError, QueueUnavailableError
from pulpo.holds import SPACE, Claim, Held, Hold, confirm, free, held_by, holds, note, read
from pulpo.job import Existing, Guard, JobState, ListedJob, NewJob
from pulpo.side import ABSENT, Removal, SideStore

if TYPE_CHECKING:
    from pulpo.adapters.beanstalkd.guarded_admin import GuardedAdmin  # greenstalk: when needed

__all__ = ["Same", "Taken", "Taking"]

# Whoever is pending for less than so many seconds is given the time to put its job.
_PATIENCE, _GLANCE = 1.0, 0.01
_MOST_TRIES = 400
_WAITING = (JobState.READY, JobState.DELAYED)


@dataclass(frozen=True, slots=True)
class Same:
    """A job whose key an earlier one of the same batch has taken: its place there."""

    place: int


@dataclass(slots=True)
class Taken:
    """A key that a job of ours holds, and the version of its fact."""

    key: str
    hold: Hold
    version: int


class _Again:
    """Somebody was faster: look once more who holds the key."""


_AGAIN = _Again()


class Taking:
    """The keys of one batch of jobs; one thread."""

    def __init__(self, store: SideStore, admin: GuardedAdmin, jobs: Sequence[NewJob]) -> None:
        self._store = store
        self._admin = admin
        self._jobs = jobs
        self._taken: dict[int, list[Taken]] = {}
        #: For each job None where it has all its keys and is to be put, or who has one of them.
        self.answers: list[Same | Existing | QueueError | None] = [None] * len(jobs)

    def take(self) -> None:
        """Take the keys of each job, or learn who holds one.

        Raises `QueueError`, and then some facts may be left: they are pending, and bind nobody.
        """
        wanted = [(n, guard) for n, job in enumerate(self._jobs) for guard in job.guards]
        new = [_hold(self._jobs[n], guard) for n, guard in wanted]
        written = self._store.write(
            [hold.write(guard.key, ABSENT) for hold, (_, guard) in zip(new, wanted, strict=True)]
        )
        found: dict[int, list[tuple[Guard, Taken | Held | None]]] = {}
        for hold, (n, guard), done in zip(new, wanted, written, strict=True):
            held = held_by(done.fact)
            mine = Taken(guard.key, hold, held.version) if done.done and held else held
            found.setdefault(n, []).append((guard, mine))
        for n, job in enumerate(self._jobs):
            self.answers[n] = self._take(n, job, found[n])

    def refuse(self, error: QueueError) -> None:
        """Answer all jobs with an error: their keys cannot be taken."""
        self._taken.clear()
        self.answers = [error] * len(self._jobs)

    def confirm(self, results: Sequence[int | QueueError | None]) -> list[Existing | None]:
        """Say where jobs are that were put, and give back the keys of those that were refused.

        For each an `Existing` where another job has its key after all, and it was taken back. Where
        the store is out of reach the first run of a job will say it.
        """
        answers: list[Existing | None] = [None] * len(self._jobs)
        with suppress(QueueError):
            self._say_where(results, answers)
            for n, result in enumerate(results):
                if isinstance(result, QueueError) and not isinstance(result, PublishUncertainError):
                    self._give_back(self._taken.pop(n, []))
        return answers

    def _say_where(
        self, results: Sequence[int | QueueError | None], answers: list[Existing | None]
    ) -> None:
        put = [
            (n, taken, replace(taken.hold, pending=False, number=result))
            for n, result in enumerate(results)
            if isinstance(result, int)
            for taken in self._taken.get(n, ())
        ]
        if not put:
            return
        written = self._store.write([hold.write(t.key, t.version) for _, t, hold in put])
        for (n, taken, hold), done in zip(put, written, strict=True):
            other = held_by(done.fact)
            if not done.done and answers[n] is None and (other is None or other.hold.id != hold.id):
                answers[n] = self._defend(n, Claim(taken.key, hold), is_free=other is None)

    def _take(
        self, place: int, job: NewJob, found: Sequence[tuple[Guard, Taken | Held | None]]
    ) -> Same | Existing | QueueError | None:
        taken = [mine for _, mine in found if isinstance(mine, Taken)]
        for guard, held in found:
            if isinstance(held, Taken):
                continue
            answer = self._take_one(job, guard, held)
            if not isinstance(answer, Taken):
                self._give_back(taken)
                return answer
            taken.append(answer)
        self._taken[place] = taken
        return None

    def _take_one(
        self, job: NewJob, guard: Guard, held: Held | None
    ) -> Taken | Same | Existing | QueueError:
        for _ in range(_MOST_TRIES):
            place = None if held is None else self._place_here(guard.key, held.hold)
            if place is not None:
                return Same(place)
            step = _hold(job, guard) if held is None else self._meet(job, guard, held)
            if isinstance(step, _Again):
                (held,) = read(self._store, [guard.key])
                continue
            if not isinstance(step, Hold):
                return step
            version = ABSENT if held is None else held.version
            (written,) = self._store.write([step.write(guard.key, version)])
            held = held_by(written.fact)
            if written.done and held is not None:
                return Taken(guard.key, step, held.version)
        return QueueUnavailableError(f"not sent: a key changes hands all the time: {guard.key!r}")

    def _meet(self, job: NewJob, guard: Guard, held: Held) -> Hold | Existing | QueueError | _Again:
        """Return what comes of a key that is held: it is taken over, or its holder stays."""
        hold = held.hold
        if hold.is_for_a_time and not hold.pending and guard.instead is None:
            return Existing(hold.id, hold.queue)
        if hold.pending and 0 <= held.age < _PATIENCE:
            threading.Event().wait(_GLANCE)
            return _AGAIN
        seen = self._admin.seek(hold)
        if seen is None and hold.is_for_a_time and not hold.pending:
            return Existing(hold.id, hold.queue)
        if seen is None:
            mine = _hold(job, guard)
            return mine if hold.id == job.id else mine.after(hold)
        if not holds(hold, guard.key, seen):
            return _hold(job, guard)
        if guard.instead is not None and seen.state in _WAITING:
            return self._renew(guard, held, seen)
        if not note(self._store, guard.key, held, seen.queue, seen.number):
            return _AGAIN
        return Existing(seen.id, seen.queue)

    def _renew(self, guard: Guard, held: Held, seen: ListedJob) -> Existing | QueueError | _Again:
        """Let a job that waits become another one."""
        assert guard.instead is not None
        job = guard.instead(seen)
        copy = self._admin.take_place(seen, job)
        if isinstance(copy, QueueError):
            return copy
        if copy is None:  # it began just now, or is gone
            return _AGAIN
        note(self._store, guard.key, held, job.queue, copy)
        return Existing(job.id, job.queue)

    def _place_here(self, key: str, hold: Hold) -> int | None:
        """Return the place of the job of this batch that has taken a key."""
        for place, taken in self._taken.items():
            if any(mine.key == key and mine.hold.id == hold.id for mine in taken):
                return place
        return None

    def _defend(self, place: int, claim: Claim, *, is_free: bool) -> Existing | None:
        """Answer somebody who took a key over before our job was put: one of the two stays."""
        if is_free and claim.hold.until != "done":
            return None  # by its first run, or by time
        (holder,) = confirm(self._store, self._admin.seek, [claim])
        if holder is None and is_free and self._admin.seek(claim.hold) is None:
            # Its own run had freed it, and is over: now nobody else will.
            free(self._store, [(claim.key, claim.hold.id)])
        if holder is None:
            return None
        self._admin.discard(claim.hold.number)
        self._give_back(self._taken.pop(place, []))
        (held,) = read(self._store, [claim.key])
        known = held is not None and held.hold.id == holder
        return Existing(holder, held.hold.queue if known and held else claim.hold.queue)

    def _give_back(self, taken: Sequence[Taken]) -> None:
        if taken:
            self._store.remove(
                [Removal(space=SPACE, key=mine.key, expected=mine.version) for mine in taken]
            )


def _hold(job: NewJob, guard: Guard) -> Hold:
    return Hold(job.id, job.queue, guard.until)
