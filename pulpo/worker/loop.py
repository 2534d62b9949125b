"""The worker's loop: settle what has finished, reserve what there is room for, start it.

One thread owns the queue and all that is decided; handlers run in pools beside it and answer by
values. It does not know which queue it works on, which process it is in, or what a handler does.

    exchange ─▶ open ─▶ pool: handler ─▶ decide ─▶ exchange ─▶ journal

What somebody must be asked about first comes to a pool by way of the gate.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Sequence

from pulpo.adapter import OwnClock, QueueAdapter
from pulpo.clock import Clock
from pulpo.errors import QueueError, QueueUnusableError
from pulpo.job import Capabilities, Job
from pulpo.run import Run
from pulpo.system import SharedMoment
from pulpo.worker.drift import Drift
from pulpo.worker.gatekeeper import Rule
from pulpo.worker.groups import GroupRow
from pulpo.worker.hands import Hands
from pulpo.worker.inside import Inside
from pulpo.worker.intake import Intake
from pulpo.worker.isolation import Isolation
from pulpo.worker.journal import Journal
from pulpo.worker.judging import Judging, decided
from pulpo.worker.outage import Outage
from pulpo.worker.recycling import Recycling
from pulpo.worker.rules import rules_of
from pulpo.worker.settings import WorkerParts, WorkerSettings
from pulpo.worker.slots import Slots
from pulpo.worker.suspects import Suspicion
from pulpo.worker.watch import Watch

__all__ = ["Worker"]

# The loop comes by at least so often, in seconds: to beat, to renew leases, to look at the time.
# A longer wait than half a second is one of whole seconds, as a reserve of beanstalkd is.
IDLE, BUSY = 1.0, 0.25
# So often where somebody watches its numbers, which are to be at most a second old.
WATCHED = 0.4
# With settlements under way it waits no longer than this for the next job, and then reports them.
SETTLING = 0.02
# Handed over and not begun for so long: every thread is woken for it, and then it is stuck behind
# slow jobs and belongs to others.
LATE, STUCK = 0.005, 0.05
# At the very end, for the last settlements.
SETTLING_LAST = 1.0


# Until the queue has been reached for the first time; behind a spool the answer may be as nameless.
_UNASKED = Capabilities(engine="", max_body=0)


class Worker:
    """Drives one adapter, in the thread that calls `run`.

    `beat` is called about every second for as long as the loop is alive; `hands` run the handlers.
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
        hands: Hands | None = None,
        rules: Sequence[Rule] | None = None,
    ) -> None:
        self._adapter = adapter
        self._settings = settings
        self._clock = clock
        self._journal = journal
        self._beat = beat
        hands = hands or Hands.of(settings, clock, adapter.wake)
        rules = rules_of(parts, clock, hands.spread) if rules is None else rules
        inside = Inside.of(adapter, parts, settings, clock, journal, rules, hands)
        self._threads, self._coroutines = hands.threads, hands.coroutines
        self._room, self._watch = inside.room, inside.watch
        self._settling, self._gate = inside.settling, inside.gate
        self._spread = hands.spread
        self.slots = Slots(self._threads, self._coroutines, clock)
        groups = groups or GroupRow.alone(settings.threads)
        self._isolation, self._drift = Isolation(settings.isolate, clock, groups), Drift(journal)
        self._judging = Judging(inside)
        self._intake = Intake(
            parts,
            clock,
            inside,
            self._judging,
            is_burst=settings.burst,
            suspicion=Suspicion(adapter, last_death, started=clock.monotonic()),
            isolation=self._isolation if settings.isolate else None,
            drift=self._drift,
            own_clock=adapter if isinstance(adapter, OwnClock) else None,
        )
        self._recycling = Recycling(settings)
        self.stopped = threading.Event()
        self._end: float | None = None
        self._drained = False
        self._outage = Outage(clock, journal, beat)
        self._engine = _UNASKED
        #: True once it has stopped by itself: a run of it cannot be ended, or it has done enough.
        self.retired = False

    def run(self) -> list[Job]:
        """Work until `stop`, or in a burst until nothing is ready.

        Returns the jobs that still ran when the grace was over: they go back to the queue by the
        end of this process, and only so, or a second run would start beside them; or `linger`.
        Raises `QueueUnusableError` where waiting for the queue is in vain, and
        `QueueUnavailableError` where a burst cannot reach it; else it waits.
        """
        if self._gate is not None:
            self._gate.begin()  # what waits, and was left to wait by a worker that has died
        self._turn_until(self.is_over)
        return [run.job for run in self._watch.held.values()]

    def linger(self) -> None:
        """In a process that goes on: settle each job that `run` returned as its run ends."""
        self._turn_until(lambda: not self._watch.held)

    def _turn_until(self, is_over: Callable[[], bool]) -> None:
        while not is_over():
            self._beat()
            try:
                self.tick()
                self._outage.is_over()
            except QueueError as error:
                if _is_hopeless(error, self._settings, self._watch, self._outage):
                    raise
                self._drained = False
                self._outage.wait(error, self.stopped)
        if not self._watch.held:
            self._threads.stop()
            self._coroutines.stop()
            if self._gate is not None:
                self._gate.stop()

    def stop(self) -> None:
        """Reserve nothing more, let what runs finish within the grace; any thread or signal."""
        self.stopped.set()
        self._adapter.wake()

    def facts(self) -> dict[str, object]:
        """Return how it stands, as plain values; the loop thread's."""
        busy = [len(pool.running()) for pool in (self._threads, self._coroutines)]
        return {"busy": busy, "reserving": self._outage.is_reached and not self.stopped.is_set()}

    def tick(self) -> None:
        """Settle what has finished, reserve what there is room for, start it."""
        if not self._engine.engine:
            self._engine = self._adapter.capabilities
            self._settling.max_body = self._engine.max_body
        self._judging.judge_finished(self._engine.delay_unit)
        is_quiet = self._intake.admit()
        self._look_after_running()
        now = self._clock.monotonic()
        self._drift.look(wall=self._clock.wall(), monotonic=now)
        self._retire_when_due()
        queues, limit = ((), 0) if self._is_stopping() else self._room.now()
        limit = 0 if self._settling.is_crowded else self._recycling.within(limit)
        is_whole = not (limit and self._room.is_partial)
        patience = self._patience(is_quiet=is_quiet) if is_whole else 0.0
        offers = self._settling.offers()
        answers, jobs = self._adapter.exchange(offers, queues, limit=limit, timeout=patience)
        self._settling.note(answers)
        if jobs:
            self._recycling.took(len(jobs))
            self._intake.take(jobs, self._engine, asked=now)
        # A wait that ended without a job says only that none has come yet; a question without a
        # wait is answered.
        self._drained = not jobs and not patience and limit > 0 and is_quiet and is_whole
        self._journal.flush()

    def _look_after_running(self) -> None:
        """Renew leases, end runs whose time is over, hand back what is stuck behind slow ones."""
        now = self._clock.monotonic()
        oldest = self._threads.waiting_since()
        if oldest is not None and now - oldest > LATE:
            self._threads.nudge(self._threads.waiting)
            if stuck := self._threads.take_back(now - STUCK):
                self._room.learn_slow()
                self._judging.hand_back(stuck)
        if not self._watch.is_due(now):
            return
        self._watch.renew(now)
        for run, error in self._watch.past_saving(now):
            # The thread is lost, its process will be: the next run waits until it is gone.
            verdict = decided(run, error, at_least=self._settings.grace, spread=self._spread())
            self._settling.judge(run, verdict, now - run.started)
            self._retire_because("its run does not end; this process takes no more jobs", run)
        if late := self._judging.end_expiring(now):
            run, end = late
            self._retire_because("it may not go on, and does not end; its process does", run)
            self._is_stopping()
            self._end = min(self._end or end, end)

    def _retire_when_due(self) -> None:
        """Stop by itself once this process has done enough."""
        if not self._recycling.is_wanted or self.stopped.is_set():
            return
        is_idle = not self._watch.held and not self._settling
        reason = self._recycling.reason(self._clock.monotonic(), is_idle=is_idle)
        if reason:
            self._journal.say("INFO", "recycling", pid=os.getpid(), reason=reason)
            self._retire()

    def _retire_because(self, reason: str, run: Run) -> None:
        if not self.retired:
            self._journal.say("ERROR", "stuck", type=run.type, id=run.id, reason=reason)
        self._retire()

    def _retire(self) -> None:
        self.retired = True
        self.stopped.set()

    def _patience(self, *, is_quiet: bool) -> float:
        """Return how long to wait for a job, for a result or for an answer, in seconds."""
        if self._settling:
            return SETTLING
        if self._threads.waiting:
            return 0.002
        if self._watch.held or not is_quiet:
            return BUSY
        return 0.0 if self._settings.burst or self._is_stopping() else _idle(self._settings)

    def _is_stopping(self) -> bool:
        """Notice that the worker was told to stop; hand back at once what has not begun."""
        if self._end is None and self.stopped.is_set():
            self._end = self._clock.monotonic() + self._settings.grace
            self._judging.hand_back_waiting()
            self._settling.give_back()
        return self._end is not None

    def is_over(self) -> bool:
        """Tell whether it has stopped, or in a burst whether nothing is ready; a turn later."""
        if self._is_stopping():
            assert self._end is not None
            now = self._clock.monotonic()
            if now >= self._end and self._cut_short():
                self._end = now + SETTLING_LAST  # for handing back what ran there
            return not self._watch.held or now >= self._end
        return self._settings.burst and self._drained and not (self._watch.held or self._settling)

    def _cut_short(self) -> bool:
        """End the runs that can be ended; True if there were any, the first time."""
        return self._isolation.end() | self._coroutines.cancel_all()  # both of them


def _idle(settings: WorkerSettings) -> float:
    return WATCHED if settings.watched else IDLE


def _is_hopeless(error: QueueError, settings: WorkerSettings, watch: Watch, outage: Outage) -> bool:
    """Tell whether waiting would be in vain, or is not wanted."""
    in_vain = isinstance(error, QueueUnusableError) and not watch.held
    return in_vain or (settings.burst and outage.is_the_first_word(error))
