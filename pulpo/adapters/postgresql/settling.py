"""The settlements of one call, as parameters of what the database does with them.

Pure: knows no connection. Plain deletes, nearly all, go with the trade; the rest one after another.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

from pulpo.adapters.postgresql.rows import NO_JOB, array, columns, too_big
from pulpo.errors import QueueError
from pulpo.job import Job, NewJob, Settlement, Verb

__all__ = ["Settling", "fence_of"]

_VERBS = {Verb.DELETE: 1, Verb.RELEASE: 2, Verb.REPLACE: 3, Verb.BURY: 4}
_LOOK = 5


class Settling:
    """What is asked and what is answered; `unsure` are jobs whose last settlement had no answer."""

    def __init__(
        self,
        settlements: Sequence[Settlement],
        unsure: Collection[tuple[int, int]],
        *,
        max_body: int,
    ) -> None:
        self._all = settlements
        self._unsure = unsure
        self._max_body = max_body
        self.plain: list[Settlement] = []
        self.rest: list[Settlement] = []
        for settlement in settlements:
            is_plain = settlement.verb is Verb.DELETE and not settlement.then
            if is_plain and not (unsure and _key(settlement.job) in unsure):
                self.plain.append(settlement)
            else:
                self.rest.append(settlement)

    @property
    def keys(self) -> set[tuple[int, int]]:
        """What names the reservations that are settled."""
        return {_key(settlement.job) for settlement in self._all}

    def parameters(self) -> tuple[object, ...]:
        """Return what `settle` is given for those that are not plain deletes."""
        copies = [settlement.rewritten or NO_JOB for settlement in self.rest]
        _, *rewritten, bodies = columns(copies)
        verbs = [_LOOK if self._refusal(s) else _VERBS[s.verb] for s in self.rest]
        after: list[int] = []
        then: list[NewJob] = []
        for place, settlement in enumerate(self.rest, 1):
            if settlement.then and not self._refusal(settlement):
                after += [place] * len(settlement.then)
                then += settlement.then
        return (
            array(verbs),
            [settlement.job.id or "" for settlement in self.rest],
            array(settlement.job.number for settlement in self.rest),
            array(fence_of(settlement.job) for settlement in self.rest),
            [_key(settlement.job) in self._unsure for settlement in self.rest],
            *rewritten,
            # A story too long for the queue must not cost the job: then it goes on without it.
            [None if len(body) > self._max_body else body for body in bodies],
            array(after),
            *columns(then),
        )

    def answers(self, settled: Sequence[bool], deleted: Collection[int]) -> list[bool | QueueError]:
        """Return what to say of each: `settled` of the rest in their order, numbers deleted."""
        if not self.rest:
            numbers = set(deleted)
            return [settlement.job.number in numbers for settlement in self._all]
        plain, rest = {id(s) for s in self.plain}, iter(settled)
        answers: list[bool | QueueError] = []
        for settlement in self._all:
            if id(settlement) in plain:
                answers.append(settlement.job.number in deleted)
                continue
            done = next(rest)
            answers.append((done and self._refusal(settlement)) or done)
        return answers

    def _refusal(self, settlement: Settlement) -> QueueError | None:
        found = (too_big(job, self._max_body) for job in settlement.then)
        return next(filter(None, found), None)


def fence_of(job: Job) -> int:
    """Return the reservation of a job, one that nobody has for a job of somebody else."""
    return job.token if isinstance(job.token, int) else -1


def _key(job: Job) -> tuple[int, int]:
    return job.number, fence_of(job)
