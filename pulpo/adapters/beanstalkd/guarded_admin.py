"""The operator's door to a beanstalkd whose jobs have guards, which are kept beside it.

Adds to the plain one: who holds a key, no kick of a job whose key another one holds, and a job that
takes the place of one that waits.
"""

from __future__ import annotations

from collections.abc import Callable, MutableMapping, Sequence

from pulpo.adapters.beanstalkd import commands
from pulpo.adapters.beanstalkd.address import Address
from pulpo.adapters.beanstalkd.admin import BeanstalkdAdmin
from pulpo.adapters.beanstalkd.link import Awaited, Kind, Link
from pulpo.adapters.beanstalkd.putting import BURY_DELAY, put_jobs, too_big
from pulpo.clock import Clock
from pulpo.codec import Codec
from pulpo.errors import CodecError, QueueError
from pulpo.holds import Claim, Hold, confirm, holds, note, read
from pulpo.job import Act, Change, Existing, JobId, JobState, ListedJob, NewJob, Sighting
from pulpo.side import SideStore

__all__ = ["GuardedAdmin"]

_PATIENCE = 10.0
# Reads guards whatever the signature: looking is not running.
_READER = Codec()


class GuardedAdmin(BeanstalkdAdmin):
    """See `BeanstalkdAdmin`; one thread."""

    def __init__(
        self,
        open_link: Callable[[], Link],
        address: Address,
        clock: Clock,
        known: MutableMapping[str, int],
        store: SideStore,
    ) -> None:
        super().__init__(open_link, address, clock, known)
        self._clock = clock
        self._store = store

    def holders(self, keys: Sequence[str]) -> Sequence[Existing | None]:
        """Return who holds these keys; see `pulpo.adapter.Guarding`."""
        found: list[Existing | None] = []
        for key, held in zip(keys, read(self._store, keys), strict=True):
            hold = None if held is None else held.hold
            seen = None if hold is None else self.seek(hold)
            if held is None or hold is None or (seen is not None and not holds(hold, key, seen)):
                found.append(None)
            elif seen is not None:
                note(self._store, key, held, seen.queue, seen.number)
                found.append(Existing(seen.id, seen.queue))
            else:
                known = hold.is_for_a_time and not hold.pending
                found.append(Existing(hold.id, hold.queue) if known else None)
        return found

    def kick(self, ids: Sequence[JobId]) -> Sequence[bool]:
        """Kick jobs, but for those whose key another job holds."""
        return self._kick(self.peek(ids))

    def kick_all(self, queue: str) -> int:
        """Kick the buried jobs of a queue, but for those whose key another job holds."""
        # All of them before the first is kicked: no walk is cut short by what it has done.
        buried = [job for page in self.walk(queue, JobState.BURIED) for job in page.jobs]
        return sum(self._kick(buried))

    def change(self, changes: Sequence[Change]) -> Sequence[bool | QueueError]:
        """Change jobs that were seen; a job whose key another one holds is not kicked."""
        kicks = [change.job for change in changes if change.act is Act.KICK]
        kicked = iter(self._kick(self.look(kicks)))
        done = iter(super().change([change for change in changes if change.act is not Act.KICK]))
        return [next(kicked if change.act is Act.KICK else done) for change in changes]

    def seek(self, hold: Hold) -> ListedJob | None:
        """Look for the job of a hold: where it was seen last, then everywhere."""
        if not hold.id:
            return None
        if hold.number:
            (seen,) = self.look([Sighting(hold.id, hold.number, hold.queue)])
            if seen is not None:
                return seen
        return self.peek([hold.id])[0]

    def take_place(self, old: ListedJob, new: NewJob) -> int | QueueError | None:
        """Put a job in the place of one that waits; return its number, or why it was refused.

        None where the old one waits no more. The copy sleeps until the old one is gone: else both
        could run at the same time. Whoever is killed in between leaves both, or the copy asleep for
        ten minutes.
        """
        link, walker = self._walker.link, self._walker
        if (refusal := too_big(new, link.max_body)) is not None:
            return refusal
        delay = commands.whole_delay(new, self._clock.wall())
        (copy,) = put_jobs(
            link, [new], self._clock, delays=[max(delay, BURY_DELAY)], patience=_PATIENCE
        )
        if isinstance(copy, QueueError):
            return copy
        if self._changes.delete([old.number]) != [True]:
            self.discard(copy)
            return None
        if delay == 0:
            self._changes.kick([copy])
        elif delay < BURY_DELAY:
            walker.ask(
                [
                    (commands.take(copy), Awaited(Kind.TAKE, copy)),
                    (commands.release(copy, new.priority, delay), Awaited(Kind.RELEASE, copy)),
                ]
            )
        return copy

    def discard(self, number: int) -> None:
        """Delete a job that nobody runs."""
        self._changes.delete([number])

    def close(self) -> None:
        """Close the connections, and let go of the store; twice is once."""
        super().close()
        self._store.close()

    def _kick(self, jobs: Sequence[ListedJob | None]) -> list[bool]:
        """Kick jobs: those with a key one by one, since each takes it up first."""
        done: dict[int, bool] = {}
        plain: list[int] = []
        for job in jobs:
            claims = [] if job is None else _claims(job)
            if job is not None and not claims:
                plain.append(job.number)
            elif job is not None:
                may = not any(confirm(self._store, self.seek, claims))
                done[job.number] = may and self._changes.kick([job.number]) == [True]
        done.update(zip(plain, self._changes.kick(plain), strict=True))
        return [job is not None and done[job.number] for job in jobs]


def _claims(job: ListedJob) -> list[Claim]:
    """Return the keys that a job holds until it is done."""
    try:
        guards = _READER.decode(job.body).guards
    except CodecError:
        return []
    hold = Hold(job.id, job.queue, "done", pending=False, number=job.number)
    return [Claim(key, hold) for key, until in guards if until == "done"]
