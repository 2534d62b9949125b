"""Publishers and workers of one key beside a queue without guards, step by step, in any order.

    Pond(random.Random(7), until="done").play(publishers=3, workers=3)

Every step (a word to the store, a word to the queue) waits for its turn; chance says whose it is,
and now and then kills somebody instead. What takes and confirms keys is the real code, on a real
store in memory; only the queue is a plain one. A job that moves meanwhile may be overlooked.
"""

from __future__ import annotations

import random
import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, cast

from pulpo.adapters import open_engine
from pulpo.adapters.beanstalkd.taking import Same, Taking
from pulpo.clock import ManualClock
from pulpo.codec import Codec
from pulpo.errors import QueueError
from pulpo.holds import SPACE, Hold
from pulpo.job import Existing, Guard, Job, JobState, ListedJob, NewJob, Until, Verb
from pulpo.registry import JobType
from pulpo.run import Run
from pulpo.side import SideStore, side_of
from pulpo.worker.decide import SUCCESS, Ending, Verdict
from pulpo.worker.gatekeeper import Beside
from pulpo.worker.guards import GuardRule

__all__ = ["Pond"]

KEY = "unique:t:key"
CODEC = Codec()
TYPE = JobType(type="t", bind=lambda run: lambda: None)
# A party that is asked to step has to come to its next one within so many seconds.
PATIENCE = 20.0
# How likely it is, at each step, that its party dies, and that it is another one's turn.
KILLED, TURN = 0.02, 0.4
# How likely it is that a run has failed, and its job is put once more and the old one deleted.
AGAIN = 0.4
RETRIED = Verdict(Ending.RETRIED, Verb.REPLACE)


class KilledError(BaseException):
    """The end of a party, as by SIGKILL: nothing of it is done any more."""


@dataclass
class Call:
    """A publish: when it began, what it was told, None where it was killed."""

    since: int
    told: str | None = None


@dataclass
class Life:
    """One run of a job: its steps from the beginning to the end, or to the death of its worker."""

    job: str
    begun: int
    ended: int | None = None
    done: bool = False


class Turns:
    """One party steps at a time; the others wait at the step that they will do next."""

    def __init__(self) -> None:
        self._bell = threading.Condition()
        self._next: str | None = None
        self.at: set[str] = set()
        self.alive: set[str] = set()
        self.doomed: set[str] = set()
        self.sure: set[str] = set()
        self.free = False

    def step(self, name: str) -> None:
        """Wait for the next turn; called before each step."""
        if self.free:
            return
        with self._bell:
            self.at.add(name)
            self._bell.notify_all()
            assert self._bell.wait_for(lambda: self._next == name, PATIENCE)
            self._next = None
            self.at.discard(name)
            if name in self.doomed:
                raise KilledError

    def ended(self, name: str) -> None:
        """Say that a party does nothing more."""
        with self._bell:
            self.alive.discard(name)
            self._bell.notify_all()

    def let(self, name: str) -> None:
        """Let one party do its step, and wait until it comes to the next."""
        with self._bell:
            self._next = name
            self._bell.notify_all()
            self._settle()

    def settle(self) -> None:
        """Wait until all parties are at a step, or at their end."""
        with self._bell:
            self._settle()

    def _settle(self) -> None:
        ready = self._bell.wait_for(lambda: self._next is None and self.at == self.alive, PATIENCE)
        assert ready, f"{self.alive - self.at} do not come to a step"


class Pond:
    """The queue, the store, and who is around."""

    def __init__(self, chosen: random.Random, *, until: Until = "done") -> None:
        self.chosen = chosen
        self.until = until
        self.now = 0
        self.calls: list[Call] = []
        self.lives: list[Life] = []
        self.duplicates: set[str] = set()
        #: When jobs that had run were deleted: until then they are there.
        self.deleted: list[int] = []
        self._turns = Turns()
        self._engine = open_engine("memory://", clock=ManualClock())
        self._jobs: dict[int, ListedJob] = {}
        self._last = 0
        self._errors: list[BaseException] = []

    def play(self, *, publishers: int, workers: int) -> None:
        """Play one schedule to its end, then let one more worker do what is left."""
        parties: dict[str, Callable[[str], None]] = {}
        for number in range(publishers):
            parties[f"p{number}"] = self._publish
        for number in range(workers):
            parties[f"w{number}"] = self._work
        threads = [self._start(name, act) for name, act in parties.items()]
        self._turns.settle()
        name = ""
        while self._turns.at:
            self.now += 1
            if name not in self._turns.at or self.chosen.random() < TURN:
                name = self.chosen.choice(sorted(self._turns.at))
            if name not in self._turns.sure and self.chosen.random() < KILLED:
                self._turns.doomed.add(name)
            self._turns.let(name)
        for thread in threads:
            thread.join(PATIENCE)
        assert not self._errors, self._errors
        self._turns.free = True
        self._work("heir", most=100)

    def ask_again(self) -> object:
        """Publish once more when all is over; return what is answered."""
        store = cast(SideStore, side_of(self._engine))
        taking = Taking(store, cast(Any, _Door(self, "last")), [self._job("last")])
        taking.take()
        return taking.answers[0]

    def facts(self) -> int:
        """Return how many keys are held."""
        return len(cast(SideStore, side_of(self._engine)).scan(SPACE))

    # Parties

    def _start(self, name: str, act: Callable[[str], None]) -> threading.Thread:
        def run() -> None:
            try:
                act(name)
            except KilledError:
                self._give_back(name)
            except BaseException as error:
                self._errors.append(error)
            finally:
                self._turns.ended(name)

        self._turns.alive.add(name)
        thread = threading.Thread(target=run, daemon=True)
        thread.start()
        return thread

    def _publish(self, name: str) -> None:
        job = self._job(name)
        door = _Door(self, name)
        self._turns.step(name)
        call = Call(self.now)
        self.calls.append(call)
        taking = Taking(cast(Any, _Store(self, name)), cast(Any, door), [job])
        taking.take()
        (answer,) = taking.answers
        assert not isinstance(answer, Same | QueueError), answer
        if answer is None:
            number = door.put(job)
            (other,) = taking.confirm([number])
            answer = other
        call.told = job.id if answer is None else cast(Existing, answer).id

    def _work(self, name: str, most: int = 6) -> None:
        door, rule = _Door(self, name), GuardRule()
        beside = Beside(cast(Any, _Store(self, name)), cast(Any, door))
        for _ in range(most):
            job = door.reserve()
            if job is None:
                continue
            run = Run(job, CODEC.decode(job.body), TYPE)
            (verdict,) = rule.ask([run], beside)
            if verdict is None:
                self._turns.step(name)
                life = Life(run.id, self.now)
                self.lives.append(life)
                try:
                    self._turns.step(name)
                    life.done = True
                finally:
                    life.ended = self.now = self.now + 1
                verdict = SUCCESS
                if name != "heir" and self.chosen.random() < AGAIN:
                    verdict = RETRIED
                    life.done = False
                    # Who dies between the two leaves two copies of one job, as it may (ADR 3).
                    self._turns.sure.add(name)
                    door.put(self._job(run.id))
            else:
                self.duplicates.add(run.id)
            door.delete(job.number)
            self._turns.sure.discard(name)
            if run.id not in self.duplicates:
                self.deleted.append(self.now)
            rule.settled([(run, verdict)], beside)

    def _job(self, name: str) -> NewJob:
        told = {"type": "t", "id": name, "guards": [[KEY, self.until]]}
        body = CODEC.encode(told, None)
        guards = [Guard(KEY, self.until)]
        return NewJob(id=name, type="t", queue="default", body=body, guards=guards)

    # The queue

    def _give_back(self, name: str) -> None:
        for number, job in self._jobs.items():
            if job.state is JobState.RESERVED and job.queue == name:
                self._jobs[number] = replace(job, state=JobState.READY, queue="default")


class _Door:
    """The queue as one party sees it; `queue` of a reserved job is who has it."""

    def __init__(self, pond: Pond, name: str) -> None:
        self._pond = pond
        self._name = name

    def put(self, job: NewJob) -> int:
        pond = self._pond
        pond._turns.step(self._name)
        pond._last += 1
        pond._jobs[pond._last] = ListedJob(
            id=job.id,
            number=pond._last,
            queue="default",
            state=JobState.READY,
            body=job.body,
            priority=1,
        )
        return pond._last

    def reserve(self) -> Job | None:
        self._pond._turns.step(self._name)
        for number, job in self._pond._jobs.items():
            if job.state is JobState.READY:
                self._pond._jobs[number] = replace(job, state=JobState.RESERVED, queue=self._name)
                return Job(number=number, body=job.body, id=job.id)
        return None

    def delete(self, number: int) -> None:
        self._pond._turns.step(self._name)
        self._pond._jobs.pop(number, None)

    def discard(self, number: int) -> None:
        self._pond._turns.step(self._name)
        job = self._pond._jobs.get(number)
        if job is not None and job.state is not JobState.RESERVED:
            del self._pond._jobs[number]

    def peek(self, ids: list[str]) -> list[ListedJob | None]:
        """Walk through the numbers in two steps, the new ones first or last: a job may move."""
        pond = self._pond
        middle, found = pond._last // 2, {}
        for is_new in pond.chosen.choice(((True, False), (False, True))):
            pond._turns.step(self._name)
            for number, job in pond._jobs.items():
                if (number > middle) is is_new:
                    found[job.id] = job
        return [found.get(each) for each in ids]

    def seek(self, hold: Hold) -> ListedJob | None:
        return self.peek([hold.id])[0]


class _Store:
    """The store as one party sees it: each word waits for its turn."""

    def __init__(self, pond: Pond, name: str) -> None:
        self._store = cast(Any, side_of(pond._engine))
        self._pond = pond
        self._name = name

    def __getattr__(self, verb: str) -> Any:
        def say(*words: Any) -> Any:
            self._pond._turns.step(self._name)
            return getattr(self._store, verb)(*words)

        return say
