"""The model: what a queue must answer, as a dict of jobs and two dozen lines for each verb.

One world stands for one queue of one engine. It is told every call, answers as the port says
(`pulpo.adapter`), and knows no engine: where the port leaves something open, and an engine has
chosen, the choice is one of its `Traits`. Time is the clock's; it is looked at in `tick`.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace

from pulpo.clock import Clock
from pulpo.job import Job, JobState, NewJob, Settlement, Verb
from tests.model.entries import (
    BURIED,
    DELAYED,
    READY,
    RESERVED,
    Answer,
    Entry,
    Receipt,
    Refused,
)
from tests.model.lines import apart, compare_urgency
from tests.model.traits import Traits

__all__ = ["World"]


@dataclass(slots=True)
class World:
    """All jobs of a queue, by their ids, which are unique here."""

    traits: Traits
    clock: Clock
    jobs: dict[str, Entry] = field(default_factory=dict)
    #: When the pause of a queue ends, and when that is on the wall.
    pauses: dict[str, float] = field(default_factory=dict)
    pauses_on_wall: dict[str, float] = field(default_factory=dict)
    #: What a door held when its connection was cut: births and runs by id.
    orphans: dict[str, dict[str, tuple[int, int]]] = field(default_factory=dict)
    #: Late jobs of which only their engine knows whether it has renewed them.
    doubtful: list[Entry] = field(default_factory=list)
    #: The births of those jobs that were ready before the clock last moved, and are since.
    waiting: set[int] = field(default_factory=set)
    _count: int = 0
    _seen: float = -math.inf

    # Time

    def tick(self) -> None:
        """Do what time has brought."""
        monotonic, wall = self.clock.monotonic(), self.clock.wall()
        if monotonic != self._seen:
            self._seen = monotonic
            self.waiting = {e.birth for e in self.jobs.values() if e.state is READY}
        for entry in self.jobs.values():
            if entry.state is DELAYED and entry.due <= monotonic and entry.moment <= wall:
                entry.state = READY
            elif entry.state is RESERVED and self.traits.lease_ends and entry.lease <= monotonic:
                entry.state, entry.late = READY, True
                entry.crashes += 1
        now = self._pause_clock()
        self.pauses = {queue: end for queue, end in self.pauses.items() if end > now}

    def restarted(self) -> None:
        """The machine was started anew: every lease is over, delays go on by the wall."""
        for entry in self.jobs.values():
            if entry.state is RESERVED:
                self._take_back(entry)
            entry.owner, entry.late, entry.left_behind = "", False, False
            if entry.state is DELAYED:
                entry.due = self.clock.monotonic() + entry.due_wall - self.clock.wall()
        if not self.traits.pauses_by_wall:
            for queue in self.pauses:
                left = self.pauses_on_wall[queue] - self.clock.wall()
                self.pauses[queue] = self.clock.monotonic() + left

    # What a door does

    def put(self, jobs: Sequence[NewJob]) -> list[bool]:
        """Tell which of these are accepted."""
        self.tick()
        answers = [self._fits(job) for job in jobs]
        for job, fits in zip(jobs, answers, strict=True):
            if fits:
                self._add(job)
        return answers

    def settle(self, offers: Sequence[tuple[Receipt, Settlement]]) -> list[Answer]:
        """Answer settlements of one door."""
        self.tick()
        births: list[tuple[tuple[int, int], NewJob, bool]] = []
        answers: list[Answer] = []
        for place, (receipt, settlement) in enumerate(offers):
            entry = self.held(receipt)
            if entry is None:
                answers.append(False)
            elif not all(map(self._fits, settlement.then)):
                answers.append(Refused())
            else:
                answers.append(True)
                order = self.traits.born
                births += [(order(place, False), job, False) for job in settlement.then]
                copy = self._end_run(entry, settlement)
                if copy is not None:
                    births.append((order(place, True), copy, settlement.verb is Verb.BURY))
        for _, job, buried in sorted(births, key=lambda birth: birth[0]):
            self._add(job, buried=buried)
        return answers

    def hand_out(
        self,
        door: str,
        queues: Sequence[str],
        limit: int,
        jobs: Sequence[Job],
        *,
        settled: bool,
        line_of: Mapping[str, int],
    ) -> list[Receipt]:
        """Compare the jobs that an exchange has brought with those that it had to bring.

        `line_of` says where a job lies, if there are several lines.
        """
        self.tick()
        assert len(jobs) <= limit, f"{len(jobs)} jobs for a limit of {limit}"
        ready = sorted(
            (e for e in self.jobs.values() if e.state is READY and self._is_served(e, queues)),
            key=lambda entry: entry.place,
        )
        if self.traits.lines:
            compare_urgency(ready, [job.body for job in jobs], self.waiting)
        may_wait = self.traits.dead_may_wait and (settled or len(jobs) == limit)
        may_end = not self.traits.batches and len(jobs) > 0
        receipts: list[Receipt] = []
        for line in apart(ready, line_of) if limit else ():
            bodies = {entry.new.body for entry in line}
            own = [job for job in jobs if not self.traits.lines or job.body in bodies]
            receipts += self._take_in_turn(door, line, own, limit, may_wait, may_end)
        assert len(receipts) == len(jobs), f"nobody waited for all of {jobs}"
        return receipts

    def touch(self, receipts: Sequence[Receipt]) -> list[bool]:
        """Answer which leases are renewed."""
        self.tick()
        held = [self.held(receipt) for receipt in receipts]
        for entry in held:
            if entry is not None:
                self.renew(entry)
        return [entry is not None for entry in held]

    def closed(self, door: str) -> None:
        """A door gave back what it held; whether that of a late job counts is not promised."""
        self.tick()
        for entry in self._owned(door):
            entry.unsure |= entry.late
            self._let_go(entry)

    def died(self, door: str, left: Sequence[Receipt]) -> None:
        """A door's owner went without a word, but for the jobs that it said to leave."""
        self.tick()
        meant = [self.held(receipt) for receipt in left]
        for entry in self._owned(door):
            if entry not in meant:
                entry.crashes += not entry.late
            else:
                entry.crashes -= entry.late
            self._let_go(entry)
            entry.left_behind = True

    def cut(self, door: str) -> None:
        """A door's connection was lost with all that it held, and it has noticed."""
        self.tick()
        orphans = self.orphans.setdefault(door, {})
        for entry in self._owned(door):
            orphans[entry.new.id] = entry.birth, entry.run
            entry.late = True
            self._take_back(entry)

    def retake(self, door: str, those: Collection[str]) -> None:
        """A door that was cut off is back, before anything else, where its server was asked."""
        orphans = self.orphans.pop(door, {})
        left = {name: held for name, held in orphans.items() if name not in those}
        if left:
            self.orphans[door] = left
        for name, (birth, run) in orphans.items():
            if name in left:
                continue
            entry = self.jobs.get(name)
            if entry is not None and entry.birth == birth and entry.state is not RESERVED:
                entry.unsure |= entry.state is BURIED  # its server counts that as it likes
                entry.state, entry.owner, entry.run, entry.late = RESERVED, door, run, False

    def held(self, receipt: Receipt) -> Entry | None:
        """Return the job that a receipt still stands for, None where it is lost."""
        entry = self.jobs.get(receipt.id)
        if entry is None or entry.run != receipt.run or entry.owner != receipt.door:
            return None
        return entry if entry.state is RESERVED or entry.late else None

    # What an operator does

    def kick(self, ids: Sequence[str]) -> list[bool]:
        """Answer which are made ready."""
        self._operate()
        return [self._kick(self.jobs.get(name)) for name in ids]

    def kick_all(self, queue: str) -> int:
        """Answer how many are dug out."""
        self._operate()
        buried = [e for e in self.jobs.values() if e.new.queue == queue and e.state is BURIED]
        return sum(self._kick(entry) for entry in buried)

    def delete(self, ids: Sequence[str]) -> list[bool]:
        """Answer which are deleted."""
        self._operate()
        answers = []
        for name in ids:
            idle = self._idle(name)
            answers.append(idle is not None)
            if idle is not None:
                del self.jobs[name]
        return answers

    def edit(self, id: str, rewritten: NewJob) -> Answer:
        """Answer whether a job is rewritten; refused where it is too big."""
        self._operate()
        idle = self._idle(id)
        if idle is None:
            return False
        if not self._fits(rewritten):
            return Refused()
        new = self._add(rewritten, buried=idle.state is BURIED)
        if self.traits.edits_in_place:
            new.rank = idle.rank
        return True

    def pause(self, queue: str, seconds: float | None) -> None:
        """Let nobody reserve from a queue."""
        self._operate()
        lasts = math.inf if seconds is None else seconds
        self.pauses[queue] = self._pause_clock() + lasts
        self.pauses_on_wall[queue] = self.clock.wall() + lasts

    def resume(self, queue: str) -> None:
        """End a pause."""
        self._operate()
        self.pauses.pop(queue, None)

    # What is seen

    def seen(self, queue: str, state: JobState) -> list[Entry]:
        """Return the jobs of a queue in a state, in the order in which they would run."""
        self.tick()
        found = [e for e in self.jobs.values() if e.new.queue == queue and e.state is state]
        return sorted(found, key=lambda entry: (self.due(entry), *entry.place))

    def due(self, entry: Entry) -> float:
        """Return in how many seconds a job is ready."""
        if entry.state is not DELAYED:
            return 0.0
        clock = self.clock
        return max(0.0, entry.due - clock.monotonic(), entry.moment - clock.wall())

    def pause_left(self, queue: str) -> float:
        """Return how long a queue is paused, 0 where it is not."""
        self.tick()
        return self.pauses[queue] - self._pause_clock() if queue in self.pauses else 0.0

    # The steps of these

    def _fits(self, job: NewJob) -> bool:
        return len(job.body) <= self.traits.max_body

    def _next(self) -> int:
        self._count += 1
        return self._count

    def _add(self, job: NewJob, *, buried: bool = False) -> Entry:
        entry = Entry(job, rank=self._next(), birth=self._next())
        self._schedule(entry, job)
        if buried:
            entry.state = BURIED
        self.jobs[job.id] = entry
        return entry

    def _schedule(self, entry: Entry, job: NewJob) -> None:
        monotonic, wall, grain = self.clock.monotonic(), self.clock.wall(), self.traits.grain
        delay, moment = job.delay, job.at or 0.0
        if grain:
            delay, moment = math.ceil(max(delay, moment - wall, 0.0) / grain) * grain, 0.0
        entry.due, entry.due_wall, entry.moment = monotonic + delay, wall + delay, moment
        entry.state = DELAYED if delay or moment > wall else READY

    def _end_run(self, entry: Entry, settlement: Settlement) -> NewJob | None:
        """Do what a settlement does to the old job; return the copy that takes its place."""
        copy, old = settlement.rewritten, entry.new
        if settlement.verb is Verb.RELEASE:
            entry.crashes -= entry.late and not self.traits.retakes
            self._let_go(entry)
            return None
        if settlement.verb is Verb.DELETE or copy is None:
            del self.jobs[old.id]
            return None
        if self._fits(copy):
            del self.jobs[old.id]
            return copy
        if not self.traits.goes_plain:
            del self.jobs[old.id]
            return replace(copy, body=old.body)
        self._let_go(entry)
        entry.new = replace(old, priority=copy.priority)
        self._schedule(entry, copy)
        if settlement.verb is Verb.BURY:
            entry.state, entry.unsure = BURIED, True
        return None

    def _take_in_turn(
        self,
        door: str,
        line: Sequence[Entry],
        jobs: Sequence[Job],
        limit: int,
        may_wait: bool,
        may_end: bool,
    ) -> list[Receipt]:
        receipts: list[Receipt] = []
        for entry in line:
            if len(receipts) == limit:
                break
            # What was cut off and not retaken is on a server that was not asked now.
            if entry.late and entry.owner == door and not self.traits.retakes:
                if self.traits.renews_what_was_seen:
                    self.doubtful.append(entry)
                else:
                    self.renew(entry)
            elif len(receipts) < len(jobs) and jobs[len(receipts)].body == entry.new.body:
                receipts.append(self._reserve(door, entry, jobs[len(receipts)]))
            elif not (entry.left_behind and may_wait):
                enough = len(receipts) == len(jobs) and may_end
                assert enough, f"{entry.new.id} was ready, and was not handed out in its turn"
                break
        return receipts

    def _reserve(self, door: str, entry: Entry, job: Job) -> Receipt:
        new = entry.new
        assert job.queue in (None, new.queue), f"{job} is of {new.queue}"
        assert job.priority in (None, new.priority), f"{job} has priority {new.priority}"
        assert job.ttr in (None, new.ttr), f"{job} has ttr {new.ttr}"
        assert entry.unsure or job.crashes in (None, entry.crashes), f"{job}: {entry.crashes}"
        self.waiting.discard(entry.birth)
        entry.state, entry.owner, entry.run = RESERVED, door, self._next()
        entry.late = entry.left_behind = False
        entry.lease = self.clock.monotonic() + new.ttr
        return Receipt(door, entry.run, new.id, job)

    def renew(self, entry: Entry) -> None:
        """Start a lease anew, also one that has run out."""
        entry.crashes -= entry.late
        entry.state, entry.late = RESERVED, False
        entry.lease = self.clock.monotonic() + entry.new.ttr

    def _take_back(self, entry: Entry) -> None:
        entry.state = READY
        entry.crashes += 1

    def _let_go(self, entry: Entry) -> None:
        entry.state, entry.owner, entry.late = READY, "", False

    def _owned(self, door: str) -> list[Entry]:
        return [
            e for e in self.jobs.values() if e.owner == door and (e.state is RESERVED or e.late)
        ]

    def _idle(self, id: str) -> Entry | None:
        entry = self.jobs.get(id)
        return None if entry is None or entry.state is RESERVED else entry

    def _kick(self, entry: Entry | None) -> bool:
        if entry is None or entry.state not in (BURIED, DELAYED):
            return False
        entry.state = READY
        return True

    def _operate(self) -> None:
        self.tick()
        for entry in self.jobs.values():
            entry.left_behind = False

    def _is_served(self, entry: Entry, queues: Sequence[str]) -> bool:
        return entry.new.queue in queues and entry.new.queue not in self.pauses

    def _pause_clock(self) -> float:
        return self.clock.wall() if self.traits.pauses_by_wall else self.clock.monotonic()
