"""From reservation to pool: opens reserved jobs, finds out suspects, and hands over what can run.

Settles nothing itself; what cannot run, or finds no room, gets its verdict here.
"""

from __future__ import annotations

from collections.abc import Sequence

from pulpo.adapter import OwnClock
from pulpo.clock import Clock
from pulpo.errors import QueueError
from pulpo.job import Capabilities, Job
from pulpo.run import Run
from pulpo.worker.decide import RELEASED, Verdict, no_lane, premature
from pulpo.worker.drift import Drift
from pulpo.worker.inside import Inside
from pulpo.worker.isolation import Isolation
from pulpo.worker.judging import Judging
from pulpo.worker.lanes import Lanes
from pulpo.worker.opening import open_job
from pulpo.worker.settings import WorkerParts
from pulpo.worker.suspects import Suspicion

__all__ = ["Intake"]


class Intake:
    """The loop thread's. Without an `isolation` suspects run like every other job."""

    def __init__(
        self,
        parts: WorkerParts,
        clock: Clock,
        inside: Inside,
        judging: Judging,
        *,
        is_burst: bool,
        suspicion: Suspicion,
        isolation: Isolation | None,
        drift: Drift,
        own_clock: OwnClock | None,
    ) -> None:
        self._parts = parts
        self._clock = clock
        self._hands = inside.hands
        self._room = inside.room
        self._watch = inside.watch
        self._settling = inside.settling
        self._gate = inside.gate
        self._judging = judging
        self._is_burst = is_burst
        self._suspicion = suspicion
        self._isolation = isolation
        self._drift = drift
        self._own_clock = own_clock

    def take(self, jobs: Sequence[Job], engine: Capabilities, *, asked: float) -> None:
        """Let jobs run that were reserved; they were `asked` for at that monotonic second."""
        now, wall, spread = self._clock.monotonic(), self._clock.wall(), self._hands.spread()
        codec, registry, chain = self._parts.codec, self._parts.registry, self._parts.chain
        plain: list[Run] = []
        coroutines: list[Run] = []
        plain_room, async_room = self._room.left()
        begin, lanes, isolation = self._watch.begin, self._room.lanes, self._isolation
        if lanes is not None:
            lanes.came(len(jobs))
        suspects = (
            self._suspicion.among(jobs, engine, now, waited=now - asked)
            if isolation is not None
            else ()
        )
        run: Run | None = None
        for job in jobs:
            run, verdict = open_job(job, codec, registry, now=wall, spread=spread, chain=chain)
            begin(run, now)
            if self._own_clock is not None and verdict is None and "due" in run.envelope.headers:
                verdict = self._premature(run, self._own_clock, wall)
            if isolation is not None and job.number in suspects:
                # A thread of ours waits for it, so a suspect takes a slot like any other job.
                isolation.take(run, engine.delay_unit)
            is_coroutine = run.job_type.is_async and not run.isolated
            chosen, room = (coroutines, async_room) if is_coroutine else (plain, plain_room)
            if verdict is not None:
                self._settling.judge(run, verdict)
            elif lanes is not None and not lanes.take(run):
                self._put_aside(run, lanes)
            elif len(chosen) < room:
                chosen.append(run)
            else:
                # Another queue of the same flight has filled the pool meanwhile, or it was full.
                self._room.had_none(run)
                self._judging.hand_back([run])
        if run is not None:
            self._drift.look_at(run, wall=wall)
        self._ask(plain, coroutines)

    def admit(self) -> bool:
        """Let runs start that were let in, or have got a slot; True if nothing is under way there.

        Before the next ones are reserved: these have been promised a place.
        """
        is_quiet = True
        if self._room.lanes is not None and (begun := self._room.lanes.begin()):
            self._ask(*_by_kind(begun))
        if self._gate is not None:
            is_quiet = self._gate.is_idle  # before the look: what it does later is seen next time
            answers = self._gate.take_answers()
            for run, verdict in answers:
                if verdict is not None:
                    self._judging.refuse(run, verdict)
            self._start(*_by_kind([run for run, verdict in answers if verdict is None]))
        return is_quiet

    def _put_aside(self, run: Run, lanes: Lanes) -> None:
        """Let a run wait whose type has no free slot here, or put its job back."""
        if lanes.wait(run):
            return
        if self._is_burst:
            # It ends when nothing is ready, and this is: its queue waits until it can go on.
            lanes.close(run)
            self._settling.judge(run, RELEASED)
            return
        now, spread = self._clock.wall(), self._hands.spread()
        self._settling.judge(run, no_lane(run.envelope, run.type, now=now, spread=spread))

    def _ask(self, plain: list[Run], coroutines: list[Run]) -> None:
        if self._gate is not None:
            plain, coroutines = self._gate.ask(plain), self._gate.ask(coroutines)
        self._start(plain, coroutines)

    def _start(self, plain: Sequence[Run], coroutines: Sequence[Run]) -> None:
        if plain:
            self._hands.threads.submit(plain, wake=self._room.hands_for(len(plain)))
        if coroutines:
            self._hands.coroutines.submit(coroutines)

    def _premature(self, run: Run, queue: OwnClock, wall: float) -> Verdict | None:
        """Return the verdict on a run that comes before its date, unless somebody has kicked it."""
        verdict = premature(run.envelope, now=wall)
        if verdict is None:
            return None
        try:
            (kicked,) = queue.kicked([run.job])
        except QueueError:  # put back is not lost
            return verdict
        return None if kicked else verdict


def _by_kind(runs: Sequence[Run]) -> tuple[list[Run], list[Run]]:
    coroutines = [run for run in runs if run.is_coroutine]
    return [run for run in runs if not run.is_coroutine], coroutines
