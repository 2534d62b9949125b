"""The worker's loop: settle what has finished, reserve what there is room for, start it.

One thread owns the queue and all that is decided; handlers run in pools beside it and answer by
values. It does not know which queue it works on, which process it is in, or what a handler does.

    exchange ─▶ open ─▶ pool: handler ─▶ decide ─▶ exchange ─▶ journal
"""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Sequence
from typing import NamedTuple

from pulpo.adapter import QueueAdapter
from pulpo.clock import Clock
from pulpo.errors import QueueError
from pulpo.job import Capabilities, Job, Settlement
from pulpo.run import Run
from pulpo.system import SharedMoment
from pulpo.worker.coroutines import CoroutinePool
from pulpo.worker.decide import LOST, RELEASED, Raised, Verdict, decide
from pulpo.worker.execute import Finished
from pulpo.worker.groups import GroupRow
from pulpo.worker.isolation import Isolation, Judgement
from pulpo.worker.journal import Journal
from pulpo.worker.opening import open_job
from pulpo.worker.outage import Outage
from pulpo.worker.rewrite import settlement
from pulpo.worker.room import Room
from pulpo.worker.settings import WorkerParts, WorkerSettings
from pulpo.worker.suspects import Suspicion
from pulpo.worker.threads import ThreadPool
from pulpo.worker.watch import Watch

__all__ = ["Worker"]

# The loop comes by at least so often, in seconds: to beat, to renew leases, to look at the time.
IDLE, BUSY = 1.0, 0.25
# With settlements under way it waits no longer than this for the next job, and then reports them.
SETTLING = 0.02
# Handed over and not begun for so long: every thread is woken for it, and then it is stuck behind
# slow jobs and belongs to others.
LATE, STUCK = 0.005, 0.05
# At the very end, for the last settlements.
SETTLING_LAST = 1.0


# Until the queue has been reached for the first time.
_UNASKED = Capabilities(engine="", max_body=0)


class Judged(NamedTuple):
    """A run with its verdict, on its way to the queue."""

    run: Run
    verdict: Verdict
    settlement: Settlement
    seconds: float


class Worker:
    """Drives one adapter, in the thread that calls `run`.

    `beat` is called about every second for as long as the loop is alive.
    """

    def __init__(
        self,
        adapter: QueueAdapter,
        parts: WorkerParts,
        settings: WorkerSettings,
        *,
        clock: Clock,
        journal: Journal,
        beat: Callable[[], None] = lambda: None,
        last_death: SharedMoment | None = None,
        groups: GroupRow | None = None,
    ) -> None:
        self._adapter = adapter
        self._parts = parts
        self._settings = settings
        self._clock = clock
        self._journal = journal
        self._beat = beat
        self._threads = ThreadPool(settings.threads, clock, adapter.wake)
        self._coroutines = CoroutinePool(settings.async_slots, clock, adapter.wake)
        self._room = Room(parts.registry, settings, self._threads, self._coroutines)
        self._watch = Watch(adapter, clock, self._threads, self._coroutines)
        self._suspicion = Suspicion(adapter, last_death, started=clock.monotonic())
        groups = groups or GroupRow.alone(settings.threads)
        self._isolation = Isolation(settings.isolate, clock, groups)
        self._judged: list[Judged] = []
        self._stopped = threading.Event()
        self._end: float | None = None
        self._drained = False
        self._outage = Outage(clock, journal, beat)
        self._engine = _UNASKED
        #: True once it has stopped by itself, because a run of it cannot be ended.
        self.retired = False

    def run(self) -> list[Job]:
        """Work until `stop`, or in a burst until nothing is ready.

        Returns the jobs that still ran when the grace was over: they go back to the queue by the
        end of this process, and only so, or a second run would start beside them.
        Raises `QueueUnavailableError` where a burst cannot reach its queue; else it waits for it.
        """
        while not self._is_over():
            self._beat()
            try:
                self.tick()
                self._outage.is_over()
            except QueueError as error:
                if self._settings.burst and self._outage.is_the_first_word(error):
                    raise
                self._drained = False
                self._outage.wait(error, self._stopped)
        self._threads.stop()
        self._coroutines.stop()
        return [run.job for run in self._watch.held.values()]

    def stop(self) -> None:
        """Reserve nothing more, let what runs finish within the grace; any thread or signal."""
        self._stopped.set()
        self._adapter.wake()

    def tick(self) -> None:
        """Settle what has finished, reserve what there is room for, start it."""
        if self._engine is _UNASKED:
            self._engine = self._adapter.capabilities
        self._judge_finished()
        self._look_after_running()
        queues, limit = ((), 0) if self._is_stopping() else self._room.now()
        patience = self._patience()
        answers, jobs = self._adapter.exchange(
            [judged.settlement for judged in self._judged], queues, limit=limit, timeout=patience
        )
        self._note(answers)
        self._start(jobs)
        # A wait that ended without a job says only that none has come yet; a question without a
        # wait is answered.
        self._drained = not jobs and not patience
        self._journal.flush()

    def _judge_finished(self) -> None:
        for finished in self._threads.take_finished():
            self._room.learn(finished)
            self._judge_result(finished)
        for finished in self._coroutines.take_finished():
            self._judge_result(finished)

    def _judge_result(self, finished: Finished) -> None:
        run, result, ended = finished
        if not self._watch.is_held(run):
            return
        if isinstance(result, Judgement):
            verdict = result.verdict
        elif run.lost and run.job_type.is_async and isinstance(result, Raised):
            # Cancelled by us, which is no failure: handed back, should the queue still let us.
            verdict = RELEASED
        else:
            result = self._watch.seen_through(run, result)
            verdict = _decided(run, result, at_least=self._engine.delay_unit)
        self._judge(run, verdict, ended - run.started)

    def _judge(self, run: Run, verdict: Verdict, seconds: float = 0.0) -> None:
        told = settlement(run, verdict, self._parts.codec, max_body=self._engine.max_body)
        self._judged.append(Judged(run, verdict, told, seconds))

    def _look_after_running(self) -> None:
        """Renew leases, end runs whose time is over, hand back what is stuck behind slow ones."""
        now = self._clock.monotonic()
        oldest = self._threads.waiting_since()
        if oldest is not None and now - oldest > LATE:
            self._threads.nudge(self._threads.waiting)
            for run in self._threads.take_back(now - STUCK):
                self._room.learn_slow()
                self._judge(run, RELEASED)
        if not self._watch.is_due(now):
            return
        self._watch.renew(now)
        for run, error in self._watch.past_saving(now):
            # The thread is lost, and the process with it: the next run waits until it is gone.
            verdict = _decided(run, error, at_least=self._settings.grace)
            self._judge(run, verdict, now - run.started)
            self._journal.say(
                "ERROR", "stuck", type=run.type, id=run.id, reason="replacing process"
            )
            self.retired = True
            self._stopped.set()

    def _patience(self) -> float:
        """Return how long to wait for a job or for a result, in seconds."""
        if self._judged:
            return SETTLING
        if self._threads.waiting:
            return 0.002
        if self._watch.held:
            return BUSY
        return 0.0 if self._settings.burst or self._is_stopping() else IDLE

    def _note(self, answers: Sequence[bool | QueueError]) -> None:
        """Report what was settled; keep what nobody knows yet, to offer it again first."""
        unknown: list[Judged] = []
        for judged, answer in zip(self._judged, answers, strict=True):
            if isinstance(answer, QueueError):
                unknown.append(judged)
                continue
            self._watch.end(judged.run)
            verdict = judged.verdict if answer else LOST
            self._journal.ended(judged.run, verdict, judged.seconds)
        self._judged = unknown

    def _start(self, jobs: Sequence[Job]) -> None:
        if not jobs:
            return
        now, wall, spread = self._clock.monotonic(), self._clock.wall(), random.uniform(-1, 1)
        codec, registry = self._parts.codec, self._parts.registry
        plain: list[Run] = []
        coroutines: list[Run] = []
        plain_room, async_room = self._room.left()
        suspects = self._suspicion.among(jobs, self._engine, now) if self._settings.isolate else ()
        for job in jobs:
            run, verdict = open_job(job, codec, registry, now=wall, spread=spread)
            self._watch.begin(run, now)
            if job.number in suspects:
                # A thread of ours waits for it, so a suspect takes a slot like any other job.
                self._isolation.take(run, self._engine.delay_unit)
            is_async = run.job_type.is_async and not run.isolated
            chosen, room = (coroutines, async_room) if is_async else (plain, plain_room)
            if verdict is None and len(chosen) < room:
                chosen.append(run)
            else:
                # No room: another queue of the same flight has filled the pool meanwhile.
                self._judge(run, verdict or RELEASED)
        if plain:
            self._threads.submit(plain, wake=self._room.hands_for(len(plain)))
        if coroutines:
            self._coroutines.submit(coroutines)

    def _is_stopping(self) -> bool:
        """Notice that the worker was told to stop; hand back at once what has not begun."""
        if self._end is None and self._stopped.is_set():
            self._end = self._clock.monotonic() + self._settings.grace
            for run in self._threads.take_back(float("inf")):
                self._judge(run, RELEASED)
        return self._end is not None

    def _is_over(self) -> bool:
        idle = not self._watch.held and not self._judged
        if self._is_stopping():
            assert self._end is not None
            now = self._clock.monotonic()
            if now >= self._end and self._isolation.end():
                self._end = now + SETTLING_LAST  # for handing back what ran there
            return not self._watch.held or now >= self._end
        return self._settings.burst and idle and self._drained


def _decided(run: Run, result: object, *, at_least: float) -> Verdict:
    return decide(
        result,
        run.job_type.policy,
        failures=run.envelope.failures,
        spread=random.uniform(-1, 1),
        at_least=at_least,
    )
