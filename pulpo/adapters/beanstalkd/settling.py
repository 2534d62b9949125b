"""Settling jobs on beanstalkd, whose bodies never change.

A body that must change is a rewritten copy: it is put, and only when its INSERTED was read is the
old job deleted. Two writes, never one: a refused put before a delete is a lost job. To bury is to
put a copy with a delay, take and bury that one, and delete the old. A crash in between leaves two
jobs with one id: at least once.
"""

from __future__ import annotations

from collections.abc import Callable, MutableMapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial

from pulpo.adapters.beanstalkd import commands
from pulpo.adapters.beanstalkd.link import Awaited, Kind
from pulpo.adapters.beanstalkd.putting import BURY_DELAY, put_jobs
from pulpo.adapters.beanstalkd.releasing import Releasing
from pulpo.adapters.beanstalkd.switchboard import Flight, Switchboard, unavailable
from pulpo.clock import Clock
from pulpo.errors import (
    JobTooBigError,
    PublishUncertainError,
    QueueDrainingError,
    QueueError,
    QueueUnavailableError,
)
from pulpo.job import NewJob, Settlement, Verb

__all__ = ["Settling"]

# A put inside the worker's loop: longer, and the supervisor would miss the loop's beat.
_PUT_PATIENCE = 2.5
# Of ids whose numbers are known: a few MB at most.
_MOST_KNOWN = 50_000

# What a call of the class does, in half of the time: there is one for each job.
_awaited: Callable[[tuple[Kind, int]], Awaited] = partial(tuple.__new__, Awaited)


@dataclass(slots=True)
class _Progress:
    """How far a settlement has come that takes more than one flight."""

    copy: int | None = None
    buried: bool = False
    done: set[str] = field(default_factory=set)
    plain: bytes | None = None
    plain_kind: Kind = Kind.RELEASE


class Settling:
    """The settlements of one adapter, those that are half done among them.

    `known` is told the numbers of copies, by their ids: whoever looks for one finds it at once.
    """

    def __init__(
        self, board: Switchboard, clock: Clock, known: MutableMapping[str, int] | None = None
    ) -> None:
        self._board = board
        self._clock = clock
        self._known: MutableMapping[str, int] = {} if known is None else known
        self._progress: dict[int, _Progress] = {}
        self._releasing = Releasing(board)

    def prepare(self, settlements: Sequence[Settlement]) -> None:
        """Put what must be accepted before the old jobs go: `then` jobs and rewritten copies."""
        known = self._board.running
        slow = [
            s for s in settlements
            if (s.verb is not Verb.DELETE or s.then)
            and s.job.number in known
            and s.job.number not in self._board.answers
            and not self._board.runs_anew(s.job)
        ]  # fmt: skip
        if not slow:
            return
        for settlement in slow:
            self._progress.setdefault(settlement.job.number, _Progress())
        self._put_successors([s for s in slow if s.then])
        going = [s for s in slow if s.job.number not in self._board.answers]
        self._put_copies([s for s in going if s.verb in (Verb.REPLACE, Verb.BURY)])
        self._bury_copies([s for s in going if s.verb is Verb.BURY])
        self._plan_releases([s for s in going if s.verb is Verb.RELEASE])

    def add_to(self, flight: Flight, settlements: Sequence[Settlement]) -> None:
        """Add the last command of each settlement to a flight, on the link that holds the job."""
        board, progress = self._board, self._progress
        for settlement in settlements:
            number = settlement.job.number
            if number in board.answers or board.runs_anew(settlement.job):
                continue
            link = board.holder(number)
            if link is None or (link.awaited and not link.ahead):
                continue
            step = progress.get(number)
            if step is not None and step.plain is not None:
                flight.add(link, step.plain, Awaited(step.plain_kind, number))
            else:
                flight.add(link, commands.delete(number), _awaited((Kind.DELETE, number)))
        self._releasing.add_overtaking(flight)

    def results(self, settlements: Sequence[Settlement]) -> list[bool | QueueError]:
        """Return the answers, and delete the copies of jobs whose lease turned out to be lost."""
        board = self._board
        answers: list[bool | QueueError] = []
        superfluous: list[int] = []
        for settlement in settlements:
            number = settlement.job.number
            answer = board.answers.pop(number, None)
            if answer is None and board.runs_anew(settlement.job):
                answers.append(False)
                continue
            if answer is None:
                # Not ours any more and nothing under way: the lease was lost before.
                answer = unavailable(number) if number in board.running else False
            answers.append(answer)
            if isinstance(answer, bool) and self._progress:
                step = self._progress.pop(number, None)
                if step is not None and step.copy is not None:
                    if answer:
                        self._note_copy(settlement, step.copy)
                    else:
                        superfluous.append(step.copy)
        if superfluous:
            # Out of reach: the copy runs as well. The answers must be told all the same.
            with suppress(QueueUnavailableError):
                board.ask([(commands.delete(n), Awaited(Kind.DELETE_COPY, n)) for n in superfluous])
        return answers

    def _note_copy(self, settlement: Settlement, number: int) -> None:
        if len(self._known) > _MOST_KNOWN:
            self._known.clear()
        self._known[_rewritten(settlement).id] = number

    def _put_successors(self, settlements: Sequence[Settlement]) -> None:
        owners: list[int] = []
        jobs: list[NewJob] = []
        for settlement in settlements:
            done = self._progress[settlement.job.number].done
            for job in settlement.then:
                if job.id not in done:
                    owners.append(settlement.job.number)
                    jobs.append(job)
        for number, job, result in zip(owners, jobs, self._put(jobs), strict=True):
            if isinstance(result, QueueError):
                self._board.answers[number] = result
            else:
                self._progress[number].done.add(job.id)

    def _put_copies(self, settlements: Sequence[Settlement]) -> None:
        todo = [s for s in settlements if self._progress[s.job.number].copy is None]
        copies = [_rewritten(s) for s in todo]
        now = self._clock.wall()
        delays = [
            BURY_DELAY if s.verb is Verb.BURY else commands.whole_delay(copy, now)
            for s, copy in zip(todo, copies, strict=True)
        ]
        for settlement, copy, result in zip(todo, copies, self._put(copies, delays), strict=True):
            number = settlement.job.number
            if isinstance(result, int):
                self._progress[number].copy = result
            elif isinstance(result, PublishUncertainError | QueueUnavailableError):
                self._board.answers[number] = result
            else:
                self._fall_back(settlement, copy, result)

    def _fall_back(self, settlement: Settlement, copy: NewJob, error: QueueError) -> None:
        """Choose a plain verb for a job whose copy was refused; the job goes without its story."""
        step, number = self._progress[settlement.job.number], settlement.job.number
        if not isinstance(error, JobTooBigError | QueueDrainingError):
            # No room: `bury`, or a release with a delay, would be refused too and lose the job
            # from sight (it stays reserved by nobody). Released at once, it would come first
            # again. It stays ours, and is offered again.
            self._board.answers[number] = error
        elif settlement.verb is Verb.BURY:
            step.plain, step.plain_kind = commands.bury(number, copy.priority), Kind.BURY
        else:
            delay = commands.whole_delay(copy, self._clock.wall())
            step.plain = commands.release(number, copy.priority, delay)

    def _bury_copies(self, settlements: Sequence[Settlement]) -> None:
        requests: list[tuple[bytes, Awaited]] = []
        for settlement in settlements:
            step = self._progress[settlement.job.number]
            if step.copy is None or step.buried:
                continue
            priority = _rewritten(settlement).priority
            requests.append((commands.take(step.copy), Awaited(Kind.TAKE, step.copy)))
            requests.append((commands.bury(step.copy, priority), Awaited(Kind.PEEK, step.copy)))
        if not requests:
            return
        replies = self._board.ask(requests)
        for settlement in settlements:
            step = self._progress[settlement.job.number]
            if step.copy is None or step.buried:
                continue
            reply = replies.get(step.copy)
            # NOT_FOUND: an operator kicked or deleted the copy already. It is seen, that will do.
            step.buried = reply is not None and reply.line in (b"BURIED", b"NOT_FOUND")
            if not step.buried:
                self._board.answers[settlement.job.number] = unavailable(settlement.job.number)

    def _plan_releases(self, settlements: Sequence[Settlement]) -> None:
        for number, release in self._releasing.plan([s.job for s in settlements]).items():
            self._progress[number].plain = release

    def _put(
        self, jobs: Sequence[NewJob], delays: Sequence[int] | None = None
    ) -> list[int | QueueError]:
        if not jobs:
            return []
        link = self._board.ready_link()
        try:
            return put_jobs(link, jobs, self._clock, delays=delays, patience=_PUT_PATIENCE)
        except QueueUnavailableError as error:
            return [error for _ in jobs]
        finally:
            if link.broken:
                self._board.drop(link)


def _rewritten(settlement: Settlement) -> NewJob:
    assert settlement.rewritten is not None  # checked before anything was sent
    return settlement.rewritten
