"""The rules: what may happen to a queue, in any order; each is done to the engine and the model.

Hypothesis chooses them, and shrinks a failure (`tests.model.programs`). What is not promised is not
done: an id twice in a queue, a job settled twice in one batch, a job with a delay and a moment
under a clock that jumps, on several servers a copy that is too big and has another priority.
Waiting is left out, since it is done in real time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any

import hypothesis
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
)

from pulpo.adapter import QueueAdapter
from pulpo.codec import Codec
from pulpo.errors import JobTooBigError, QueueError, UnsupportedError
from pulpo.job import JobState, NewJob, Settlement, Verb
from tests.model.comparing import compare_list, compare_pause
from tests.model.entries import Counts, Entry, Receipt, Refused
from tests.model.grounds import MAX_BODY, Ground, Stalled
from tests.model.wishes import OFFER, PICK, QUEUE, QUEUES, SERVED, WISH, Wish
from tests.model.world import World

__all__ = ["Machine"]

MOST_DOORS = 3
MOST_LOST = 3
EVER_SO_MANY = 10_000


class Machine(RuleBasedStateMachine):
    """One queue, one model of it, and up to three workers and one operator at its doors."""

    begin: Callable[[], Ground]
    counts: Counts

    def __init__(self) -> None:
        super().__init__()
        self.ground = type(self).begin()
        self.world = World(self.ground.traits, self.ground.clock)
        self.doors: dict[str, QueueAdapter] = {}
        self.dead: list[QueueAdapter] = []
        self.receipts: list[Receipt] = []
        self.codec = Codec()
        self.names = self.texts = 0
        self.stalled = False
        self.admin = self.ground.admin()
        self.counts.examples += 1

    @initialize(wishes=st.lists(WISH, min_size=2, max_size=6))
    def first(self, wishes: list[Wish]) -> None:
        self.open()
        self.open()
        self.put(0, wishes)
        self.exchange(1, [], QUEUES, 2)

    # Producers and workers

    @rule(who=PICK, wishes=st.lists(WISH, min_size=1, max_size=4))
    def put(self, who: int, wishes: list[Wish]) -> None:
        jobs = [self._job(wish) for wish in wishes]
        answers = self._door(who)[1].put(jobs)
        for job, fits, answer in zip(jobs, self.world.put(jobs), answers, strict=True):
            expected = answer == job.id if fits else isinstance(answer, JobTooBigError)
            assert expected, f"{job.id} was answered {answer!r}"

    @rule(
        who=PICK,
        offers=st.lists(OFFER, max_size=3),
        queues=SERVED,
        limit=st.integers(0, 5),
    )
    def exchange(self, who: int, offers: list[Any], queues: Sequence[str], limit: int) -> None:
        self._exchange(who, offers, queues, limit)

    @rule(who=PICK, queues=SERVED, limit=st.integers(1, 5))
    def reserve(self, who: int, queues: Sequence[str], limit: int) -> None:
        self._exchange(who, [], queues, limit)

    @precondition(lambda self: self.receipts)
    @rule(who=PICK, offers=st.lists(OFFER, min_size=1, max_size=3))
    def settle(self, who: int, offers: list[Any]) -> None:
        self._exchange(who, offers, [], 0)

    @precondition(lambda self: self.receipts)
    @rule(who=PICK, picks=st.lists(PICK, max_size=3))
    def touch(self, who: int, picks: list[int]) -> None:
        name, door = self._holder(who)
        chosen = self._chosen(name, picks)
        answers = list(door.touch([receipt.job for receipt in chosen]))
        self._retake(name, door)
        assert answers == self.world.touch(chosen)

    @precondition(lambda self: self.receipts)
    @rule(who=PICK, picks=st.lists(PICK, max_size=3))
    def ask_for_crashes(self, who: int, picks: list[int]) -> None:
        name, door = self._holder(who)
        held = [r for r in self._chosen(name, picks) if self._holds(r)]
        answers = list(door.crashes([receipt.job for receipt in held]))
        entries = [self.world.jobs[receipt.id] for receipt in held]
        assert len(answers) == len(entries)
        for entry, crashes in zip(entries, answers, strict=True):
            before = entry.crashes - entry.late
            assert entry.unsure or crashes == before, f"{entry}: {crashes} crashes"

    @precondition(lambda self: len(self.doors) < MOST_DOORS)
    @rule()
    def open(self) -> None:
        self.names += 1
        self.doors[f"door {self.names}"] = self.ground.open()

    @rule(who=PICK, how=st.sampled_from(["close", "die", "cut"]), picks=st.lists(PICK, max_size=2))
    def end(self, who: int, how: str, picks: list[int]) -> None:
        name, door = self._holder(who)
        if how == "close":
            self._close(name)
        elif how == "die":
            left = [r for r in self._chosen(name, picks) if self._holds(r)]
            if left:
                door.leave([receipt.job for receipt in left])
            self._kill(name)
            self.world.died(name, left)
        elif self.ground.cuts and name not in self.world.orphans:
            self.ground.cut(door)
            self.world.cut(name)

    # The operator

    @rule(
        verb=st.sampled_from(["kick", "kick all", "delete", "edit"]),
        picks=st.lists(PICK, min_size=1, max_size=3),
        wish=WISH,
    )
    def steer(self, verb: str, picks: list[int], wish: Wish) -> None:
        ids = self._ids(picks)
        if verb == "kick":
            assert list(self.admin.kick(ids)) == self.world.kick(ids)
        elif verb == "kick all":
            assert self.admin.kick_all(wish.queue) == self.world.kick_all(wish.queue)
        elif verb == "delete":
            assert list(self.admin.delete(ids)) == self.world.delete(ids)
        else:
            self._edit(ids[0], wish)

    @rule(queue=QUEUE, seconds=st.sampled_from([0.0, None, 1.0, 30.0]))
    def pause(self, queue: str, seconds: float | None) -> None:
        if seconds == 0:
            self.admin.resume(queue)
            self.world.resume(queue)
            self.ground.resumed()
            return
        try:
            self.admin.pause(queue, seconds)
        except UnsupportedError:
            assert self.world.traits.drops_pauses
            assert not self._of(queue)
        else:
            self.world.pause(queue, seconds)

    @rule()
    def look(self) -> None:
        for queue in QUEUES:
            for state in JobState:
                listed = list(self.admin.list(queue, state, limit=EVER_SO_MANY))
                line_of = self.ground.lines(self.admin, [job.id for job in listed])
                compare_list(self.world, queue, state, listed, line_of)
        ids = [*self.world.jobs, "nobody"]
        found = self.admin.peek(ids)
        assert [job and job.id for job in found] == [*self.world.jobs, None]

    # Time

    @rule(how=st.sampled_from(["wait", "wait", "set the clock", "reboot"]), pick=PICK)
    def let_time_pass(self, how: str, pick: int) -> None:
        ground = self.ground
        if how == "wait" and ground.seconds:
            ground.clock.advance(ground.seconds[pick % len(ground.seconds)])
            ground.moved()
        elif how == "set the clock" and ground.jumps:
            ground.clock.jump(ground.jumps[pick % len(ground.jumps)])
            ground.moved()
        elif how == "reboot" and ground.reboots:
            self._reboot()

    # What must always hold

    @invariant()
    def the_counts_agree(self) -> None:
        self.counts.steps += 1
        for queue in QUEUES:
            stats = self.admin.stats(queue)
            jobs = {state: len(self.world.seen(queue, state)) for state in JobState}
            found = {state: getattr(stats, state.value) for state in JobState}
            assert found == jobs, f"{queue} is {stats}, not {jobs}"
            compare_pause(self.world, queue, stats.paused, stats.pause_left)

    def teardown(self) -> None:
        try:
            if not self.stalled:
                self._end()
        finally:
            for door in (*self.doors.values(), *self.dead):
                door.close()
            self.admin.close()
            self.ground.close()

    def _end(self) -> None:
        """Whatever happened: all jobs that must be there are, and come in their order."""
        for name in list(self.doors):
            self._close(name)
        for queue in QUEUES:
            self.pause(queue, 0.0)
            assert self.admin.kick_all(queue) == self.world.kick_all(queue)
        delayed = [e.new.id for queue in QUEUES for e in self.world.seen(queue, JobState.DELAYED)]
        assert all(self.admin.kick(delayed))
        self.world.kick(delayed)
        self.look()
        while self.world.jobs:
            had = len(self.world.jobs)
            receipts = self._exchange(0, [], QUEUES, had)
            done = [Settlement(Verb.DELETE, receipt.job) for receipt in receipts]
            answers, _ = self._door(0)[1].exchange(done, [], limit=0, timeout=0.0)
            assert all(answer is True for answer in answers)
            self.world.settle(list(zip(receipts, done, strict=True)))
            assert len(self.world.jobs) < had
        assert not self._exchange(0, [], QUEUES, 5)

    # How it is done

    def _close(self, name: str) -> None:
        self.doors[name].close()
        self._gone(name)
        self.world.closed(name)

    def _kill(self, name: str) -> None:
        self.ground.crash(self.doors[name])
        self.dead.append(self.doors[name])
        self._gone(name)

    def _reboot(self) -> None:
        for name in list(self.doors):
            self._kill(name)
        self.admin.close()
        self.world.tick()
        self.ground.clock.reboot()
        self.world.restarted()
        self.admin = self.ground.admin()

    def _edit(self, id: str, wish: Wish) -> None:
        rewritten = self._job(wish, id)
        answer: object
        try:
            answer = self.admin.edit(id, rewritten)
        except JobTooBigError:
            answer = Refused
        expected = self.world.edit(id, rewritten)
        if expected is False and wish.big:
            return  # whichever it sees first
        assert answer is (Refused if isinstance(expected, Refused) else expected)

    def _exchange(
        self, who: int, chosen: Sequence[Any], queues: Sequence[str], limit: int
    ) -> list[Receipt]:
        name, door = self._holder(who) if chosen else self._door(who)
        offers = list(self._offers(name, chosen))
        try:
            answers, jobs = door.exchange(
                [settlement for _, settlement in offers], queues, limit=limit, timeout=0.0
            )
        except Stalled:
            self.counts.stalled += 1
            self.stalled = True
            hypothesis.reject()
        self._retake(name, door)
        for answer, expected in zip(answers, self.world.settle(offers), strict=True):
            right = isinstance(answer, QueueError if isinstance(expected, Refused) else bool)
            assert right, f"{answer!r}, not {expected!r}"
            assert isinstance(expected, Refused) or answer is expected, f"it is {expected}"
            self.counts.refused += isinstance(expected, Refused)
            self.counts.settled += answer is True
            self.counts.lost += answer is False
        got = self.world.hand_out(
            name,
            queues,
            limit,
            jobs,
            settled=bool(offers),
            line_of=self.ground.lines(self.admin, list(self.world.jobs)),
        )
        self._learn()
        self.receipts += got
        self.counts.reserved += len(got)
        return got

    def _retake(self, name: str, door: QueueAdapter) -> None:
        """Let a door that was cut off have again what it held, from each server that was asked."""
        left = self.ground.orphans(door)
        those = [job for job in self.world.orphans.get(name, ()) if job not in left]
        self.world.retake(name, those)

    def _learn(self) -> None:
        for entry in self.world.doubtful:
            (seen,) = self.admin.peek([entry.new.id])
            assert seen is not None
            if seen.state is JobState.RESERVED:
                self.world.renew(entry)
        self.world.doubtful.clear()

    def _offers(self, name: str, chosen: Sequence[Any]) -> Iterator[tuple[Receipt, Settlement]]:
        picked: set[str] = set()
        for pick, verb, wish, following in chosen:
            for receipt in self._chosen(name, [pick]):
                if receipt.id in picked:
                    continue
                picked.add(receipt.id)
                # Of several followers those that fit may have been put when one is refused.
                fit = [replace(each, big=each.big and len(following) == 1) for each in following]
                then = [self._job(each) for each in fit]
                rewritten = None
                if verb in (Verb.REPLACE, Verb.BURY):
                    if wish.big and self.world.traits.lines and receipt.id in self.world.jobs:
                        wish = replace(wish, priority=self.world.jobs[receipt.id].new.priority)
                    rewritten = self._job(wish, receipt.id)
                yield receipt, Settlement(verb, receipt.job, rewritten, then)

    def _chosen(self, name: str, picks: Sequence[int]) -> list[Receipt]:
        """Return receipts of a door: those that hold, and the newest of those that do not."""
        mine = [receipt for receipt in reversed(self.receipts) if receipt.door == name]
        mine.sort(key=lambda receipt: self.world.held(receipt) is None)
        mine = mine[: MOST_LOST + sum(self.world.held(receipt) is not None for receipt in mine)]
        places = dict.fromkeys(pick % len(mine) for pick in picks) if mine else ()
        return [mine[place] for place in places]

    def _holds(self, receipt: Receipt) -> bool:
        orphaned = receipt.door in self.world.orphans
        return not orphaned and self.world.held(receipt) is not None

    def _ids(self, picks: Sequence[int]) -> list[str]:
        ids = [*self.world.jobs, "nobody"]
        return [ids[-1 - pick % len(ids)] for pick in picks]

    def _of(self, queue: str) -> list[Entry]:
        return [entry for entry in self.world.jobs.values() if entry.new.queue == queue]

    def _door(self, who: int) -> tuple[str, QueueAdapter]:
        if not self.doors:
            self.open()
        name = list(self.doors)[who % len(self.doors)]
        return name, self.doors[name]

    def _holder(self, who: int) -> tuple[str, QueueAdapter]:
        """Return a door that holds something, if there is one."""
        holders = {r.door for r in self.receipts if r.door in self.doors and self._holds(r)}
        names = [name for name in self.doors if name in holders]
        return (
            (names[who % len(names)], self.doors[names[who % len(names)]])
            if names
            else self._door(who)
        )

    def _gone(self, name: str) -> None:
        self.world.orphans.pop(name, None)
        del self.doors[name]

    def _job(self, wish: Wish, name: str | None = None) -> NewJob:
        if name is None:
            self.names += 1
            name = f"job-{self.names}"
        at = None if wish.ahead is None else self.ground.clock.wall() + wish.ahead
        ttr = self.ground.ttrs[wish.ttr % len(self.ground.ttrs)]
        delay = wish.delay if at is None else 0.0
        headers = {
            "type": "t",
            "id": name,
            "queue": wish.queue,
            "priority": wish.priority,
        }
        self.texts += 1
        text = f"text {self.texts}" + "x" * (MAX_BODY * wish.big)
        body = self.codec.encode(headers, text)
        return NewJob(
            id=name, type="t", queue=wish.queue, body=body, priority=wish.priority,
            delay=delay, at=at, ttr=ttr,
        )  # fmt: skip
