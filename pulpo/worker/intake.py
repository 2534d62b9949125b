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
from pulpo.worker.decide import RELEASED, Verdict, premature
from pulpo.worker.drift import Drift
from pulpo.worker.gate import Gate
from pulpo.worker.inside import Inside
from pulpo.worker.isolation import Isolation
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
        *,
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
        begin = self._watch.begin
        isolation = self._isolation
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
            elif len(chosen) < room:
                chosen.append(run)
            else:
                # Another queue of the same flight has filled the pool meanwhile, or it was full.
                self._room.had_none(run)
                self._settling.judge(run, RELEASED)
        if run is not None:
            self._drift.look_at(run, wall=wall)
        if self._gate is not None:
            plain, coroutines = self._gate.ask(plain), self._gate.ask(coroutines)
        self._start(plain, coroutines)

    def admit(self, gate: Gate) -> bool:
        """Let runs start that the gate lets in; True if nothing is under way there any more."""
        plain: list[Run] = []
        coroutines: list[Run] = []
        is_quiet = gate.is_idle  # before the look: what it does later is seen the next time
        for run, verdict in gate.take_answers():
            if verdict is not None:
                self._settling.judge(run, verdict)
            else:
                (coroutines if run.is_coroutine else plain).append(run)
        self._start(plain, coroutines)
        return is_quiet

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
