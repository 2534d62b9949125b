"""Waking jobs that wait for a slot, and writing down that they wait; the gate's thread.

It is written down that a job is to wait, and once it does, where it was seen; and then the slots
are looked at once more: one that was freed in between would else wake nobody. Who dies in between
wakes nobody: so who has put a job aside looks from time to time whether it waits in vain.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from pulpo.adapter import Glimpsing, QueueAdmin, WakesUp
from pulpo.errors import QueueError
from pulpo.job import Act, Change, JobId, Sighting
from pulpo.limit import Limit, LimitKey
from pulpo.run import Run
from pulpo.side import Removal
from pulpo.telling.limits import NOT_SEEN, read_waiters, taken_slots, waiter_write
from pulpo.worker.gatekeeper import Beside

__all__ = ["Aside", "Waking"]

# Of a queue that has to be walked through, so many numbers are looked at for a job just put there,
# and for one whose worker has died right after that.
_NEAR, _FAR = 200, 2_000
# So many limits are looked after each time.
_MOST_LOOKED_AFTER = 50


class Aside(NamedTuple):
    """A run that found no slot, and the limit it is under."""

    run: Run
    key: LimitKey
    limit: Limit


class Waking:
    """Knows for which limits somebody may wait in vain."""

    def __init__(self) -> None:
        #: By `LimitKey.text`, how many slots there are.
        self._watched: dict[str, int] | None = None

    def wait(self, aside: Sequence[Aside], beside: Beside) -> None:
        """Write down that jobs wait, which their queue has put aside by now."""
        writes, counts = [], {}
        for run, key, limit in aside:
            seen = _locate(beside.admin, run.id)
            if seen is None:
                continue  # somebody was quicker: it is being run, or gone
            writes.append(waiter_write(key, limit, run.priority, seen))
            counts[key.text] = limit.concurrency or 0
        if writes:
            beside.store.write(writes)
        if self._watched is not None:
            self._watched.update(counts)
        for text, concurrency in counts.items():
            wake(beside, text, concurrency - taken_slots(beside.store, text))

    def look_after(self, beside: Beside) -> None:
        """Wake those who wait in vain, since whoever was to do so is dead."""
        if self._watched is None:
            # The worker before this one may have died.
            self._watched = {w.limit: w.concurrency for w in read_waiters(beside.store)}
        for text, concurrency in list(self._watched.items())[:_MOST_LOOKED_AFTER]:
            del self._watched[text]
            if not read_waiters(beside.store, text, most=1):
                continue
            self._watched[text] = concurrency  # at the end of the line
            wake(beside, text, concurrency - taken_slots(beside.store, text))


def wake(beside: Beside, limit: str, count: int) -> None:
    """Wake the first `count` jobs that wait for a limit, by its `LimitKey.text`.

    One that cannot be woken is not waiting any more, or is awake: then it is the turn of the next.
    """
    while count > 0:
        waiters = read_waiters(beside.store, limit, most=count)
        if not waiters:
            return
        answers = _kick(beside.admin, [_where(beside.admin, waiter.job) for waiter in waiters])
        # First the kick: who dies in between leaves the note of one that is awake, not the reverse.
        known = [w.fact for w, a in zip(waiters, answers, strict=True) if isinstance(a, bool)]
        beside.store.remove([Removal(space=f.space, key=f.key, expected=f.version) for f in known])
        if len(known) < len(waiters):
            return  # out of reach: whoever looks after them tries again
        count -= sum(answer is True for answer in answers)


def _kick(admin: QueueAdmin, jobs: Sequence[Sighting]) -> Sequence[bool | QueueError]:
    if isinstance(admin, WakesUp):
        return admin.wake_up(jobs)
    return admin.change([Change(Act.KICK, job) for job in jobs])


def _where(admin: QueueAdmin, job: Sighting) -> Sighting:
    """Return where a job is whose worker has died before it saw that; as it is if it is gone."""
    return job if job.number != NOT_SEEN else _locate(admin, job.id, numbers=_FAR) or job


def _locate(admin: QueueAdmin, id: JobId, *, numbers: int = _NEAR) -> Sighting | None:
    if isinstance(admin, Glimpsing):
        found, _ = admin.spot(id, numbers=numbers)
    else:
        (found,) = admin.peek([id])
    return None if found is None else found.sighting
