"""What an operator does with many jobs on beanstalkd: each step for all of them in one flight.

The server has no owner's rights and no transactions. So a rewritten job is put before the old one
is deleted, as the worker does it: whoever is killed in between leaves both, never none.
"""

from __future__ import annotations

from collections.abc import Sequence

from pulpo.adapters.beanstalkd import commands
from pulpo.adapters.beanstalkd.link import Awaited, Kind
from pulpo.adapters.beanstalkd.putting import put_jobs, too_big
from pulpo.adapters.beanstalkd.walking import Walker
from pulpo.clock import Clock
from pulpo.errors import PulpoError, QueueError, QueueUnavailableError
from pulpo.job import Act, Change, JobState, NewJob

__all__ = ["Changes"]

_PATIENCE = 10.0
# As many commands as both socket buffers hold, with their replies.
_FLIGHT = 1_000
# A copy that is about to be buried waits so long: should we die before it is, the old job is still
# where it was, and what somebody has put aside must not run because of that.
_ASLEEP = commands.LONGEST
_REPLIES = {
    Kind.KICK: (b"KICKED", b"NOT_FOUND"),
    Kind.DELETE: (b"DELETED", b"NOT_FOUND"),
    Kind.BURY: (b"BURIED", b"NOT_FOUND"),
}


class Changes:
    """Carries out changes on the connection of a walker; one thread."""

    def __init__(self, walker: Walker, clock: Clock) -> None:
        self._walker = walker
        self._clock = clock

    def carry_out(self, changes: Sequence[Change]) -> list[bool | QueueError]:
        """Carry out changes, of one act or of several; see `pulpo.adapter.QueueAdmin`."""
        answers: dict[int, bool | QueueError] = {}
        for act in Act:
            places = [n for n, change in enumerate(changes) if change.act is act]
            chosen = [changes[n] for n in places]
            numbers = [change.job.number for change in chosen]
            if act is Act.KICK:
                done: Sequence[bool | QueueError] = self.kick(numbers)
            elif act is Act.DELETE:
                done = self.delete(numbers)
            else:
                done = self._replace(chosen)
            answers.update(zip(places, done, strict=True))
        return [answers[n] for n in range(len(changes))]

    def kick(self, numbers: Sequence[int]) -> list[bool]:
        """Make jobs ready; False for one that is neither buried nor delayed, or not there."""
        return self._verb(Kind.KICK, [commands.kick_job(number) for number in numbers])

    def delete(self, numbers: Sequence[int]) -> list[bool]:
        """Delete jobs; False for one that is being run, or not there."""
        return self._verb(Kind.DELETE, [commands.delete(number) for number in numbers])

    def _verb(self, kind: Kind, orders: Sequence[bytes]) -> list[bool]:
        good, gone = _REPLIES[kind]
        done = []
        for start in range(0, len(orders), _FLIGHT):
            flight = [(order, Awaited(kind)) for order in orders[start : start + _FLIGHT]]
            for reply in self._walker.ask(flight):
                if reply.line not in (good, gone):
                    raise QueueUnavailableError(f"beanstalkd answered {reply.line[:64]!r}")
                done.append(reply.line == good)
        return done

    def _replace(self, changes: Sequence[Change]) -> list[bool | QueueError]:
        """Put the rewritten jobs, bury those that are to be, and delete the old ones."""
        states = self._walker.states([change.job.number for change in changes])
        resting: list[tuple[int, NewJob, bool]] = []
        answers: list[bool | QueueError] = [False] * len(changes)
        for place, change in enumerate(changes):
            state, rewritten = states.get(change.job.number), change.rewritten
            if state in (None, JobState.RESERVED) or rewritten is None:
                continue
            refusal = too_big(rewritten, self._walker.max_body())
            if refusal is not None:
                answers[place] = refusal
                continue
            resting.append((place, rewritten, change.act is Act.BURY or state is JobState.BURIED))
        copies = self._put([(job, aside) for _, job, aside in resting])
        placed = []
        for (place, _, _), copy in zip(resting, copies, strict=True):
            if isinstance(copy, PulpoError):
                answers[place] = copy
            else:
                placed.append((place, copy))
        deleted = self.delete([changes[place].job.number for place, _ in placed])
        for (place, _), done in zip(placed, deleted, strict=True):
            answers[place] = done
        # Somebody reserved or deleted these meanwhile: theirs count.
        self.delete([copy for (_, copy), done in zip(placed, deleted, strict=True) if not done])
        return answers

    def _put(self, jobs: Sequence[tuple[NewJob, bool]]) -> list[int | QueueError]:
        """Put jobs, and bury those marked so; for each its number, or why it was not accepted."""
        if not jobs:
            return []
        link, now = self._walker.link, self._clock.wall()
        delays = [_ASLEEP if aside else commands.whole_delay(job, now) for job, aside in jobs]
        new = [job for job, _ in jobs]
        copies = put_jobs(link, new, self._clock, delays=delays, patience=_PATIENCE)
        aside = [
            (number, job.priority)
            for number, (job, bury) in zip(copies, jobs, strict=True)
            if bury and isinstance(number, int)
        ]
        lost = set(self._bury(aside))
        return [
            QueueUnavailableError("a job was taken while it was being buried")
            if number in lost
            else number
            for number in copies
        ]

    def _bury(self, jobs: Sequence[tuple[int, int]]) -> list[int]:
        """Bury jobs by number, with their priorities; return those that somebody took."""
        lost: list[int] = []
        for start in range(0, len(jobs), _FLIGHT // 4):
            flight = []
            for number, priority in jobs[start : start + _FLIGHT // 4]:
                flight.append((commands.take(number), Awaited(Kind.TAKE, number)))
                flight.append((commands.bury(number, priority), Awaited(Kind.BURY, number)))
            lost += [
                reply.awaited.number
                for reply in self._walker.ask(flight)
                if reply.awaited.kind is Kind.BURY and reply.line != b"BURIED"
            ]
        return lost
