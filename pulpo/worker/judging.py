"""From pool to verdict: what becomes of runs that have finished, or must be handed back.

Whoever was asked whether a run may start is told here that it is over. Settles nothing itself, and
decides nothing: that is done in `pulpo.worker.decide`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from pulpo.run import Run
from pulpo.worker.decide import RELEASED, SUCCESS, Raised, Verdict, decide
from pulpo.worker.execute import Finished
from pulpo.worker.inside import Inside
from pulpo.worker.isolation import Judgement

__all__ = ["Judging", "decided"]


# What may not go on for longer than so many seconds is told to end, and then its process has to.
TO_END, LAST = 6.0, 3.0


class Judging:
    """The loop thread's."""

    def __init__(self, inside: Inside) -> None:
        self._threads, self._coroutines = inside.hands.threads, inside.hands.coroutines
        self._spread = inside.hands.spread
        self._room = inside.room
        self._watch = inside.watch
        self._settling = inside.settling
        self._gate, self._lanes = inside.gate, inside.room.lanes

    def judge_finished(self, delay_unit: float) -> None:
        """Judge every run that has finished since the last call."""
        for finished in self._threads.take_finished():
            self._room.learn(finished)
            self._judge_result(finished, delay_unit)
        for finished in self._coroutines.take_finished():
            self._judge_result(finished, delay_unit)

    def hand_back(self, runs: Iterable[Run]) -> None:
        """Give runs back unspent that have not begun."""
        for run in runs:
            self._forget(run)
            self._settling.judge(run, RELEASED)

    def hand_back_waiting(self) -> None:
        """Give back every run that has not begun, wherever it waits."""
        self.hand_back(self._threads.take_back(float("inf")))
        if self._gate is not None:
            self.hand_back(self._gate.take_back())
        if self._lanes is not None:
            self.hand_back(self._lanes.take_back())

    def refuse(self, run: Run, verdict: Verdict) -> None:
        """Judge a run that is not to start."""
        self._forget(run)
        self._settling.judge(run, verdict)

    def end_expiring(self, now: float) -> tuple[Run, float] | None:
        """Tell runs to end that soon may not go on; they go back, which is no failure of theirs.

        Returns one that has not ended although it was told, and the monotonic second at which its
        process must have.
        """
        late = None
        for run, end in self._gate.expiring(now, within=TO_END) if self._gate is not None else ():
            if run.is_coroutine:
                self._coroutines.cancel(run)
            elif not run.over_time:
                run.cut = True
                self._threads.interrupt(run)
            if end - now <= LAST:
                late = run, end - LAST / 2
        return late

    def _forget(self, run: Run) -> None:
        """Free what a run has had of slots."""
        if self._gate is not None:
            self._gate.end(run)
        if self._lanes is not None:
            self._lanes.end(run)

    def _judge_result(self, finished: Finished, delay_unit: float) -> None:
        run, result, ended = finished
        if self._gate is not None or self._lanes is not None:
            self._forget(run)
        if not self._watch.is_held(run):
            return
        verdict = SUCCESS  # nearly always
        if result is not None:
            result = self._watch.seen_through(run, result)
            verdict = _verdict(run, result, delay_unit, self._spread)
        self._settling.judge(run, verdict, ended - run.started if run.started else 0.0)


def _verdict(run: Run, result: object, delay_unit: float, spread: Callable[[], float]) -> Verdict:
    if type(result) is Judgement:
        return result.verdict
    if run.cut and type(result) is Raised:
        # Cancelled by us, which is no failure: handed back, should the queue still let us.
        return RELEASED
    return decided(run, result, at_least=delay_unit, spread=spread())


def decided(run: Run, result: object, *, at_least: float, spread: float) -> Verdict:
    """Return what becomes of the job of a run, by the rules of its type."""
    return decide(
        result,
        run.job_type.policy,
        failures=run.envelope.failures,
        spread=spread,
        at_least=at_least,
    )
