"""Verdicts on their way to the queue: each is offered until the queue has answered it.

Knows neither how a verdict came about nor when it is sent.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import NamedTuple

from pulpo.clock import Clock
from pulpo.codec import Codec
from pulpo.errors import QueueError, QueueFullError
from pulpo.events import Event
from pulpo.job import Settlement
from pulpo.listeners import Listeners
from pulpo.run import Run
from pulpo.worker.decide import LOST, RELEASED, Verdict
from pulpo.worker.gate import Gate
from pulpo.worker.journal import Journal
from pulpo.worker.rewrite import countable, settlement
from pulpo.worker.watch import Watch

__all__ = ["Settling"]

# A queue without room is asked again by one verdict, after so many seconds: a beanstalkd leaks the
# body of each put that it refuses.
_FIRST_PAUSE, _LONGEST_PAUSE = 1.0, 15.0
# So many are kept; the next ones go back unspent, and nothing is reserved for a moment after that.
MOST_KEPT = 500
_CROWDED = 1.0


class _Judged(NamedTuple):
    run: Run
    verdict: Verdict
    settlement: Settlement
    seconds: float


class Settling:
    """What was judged and is not settled; the loop thread's.

    A retry or a burial that the queue has no room for is kept with its reservation, so that it does
    not come first again: whatever needs no room goes on meanwhile.
    """

    def __init__(
        self,
        codec: Codec,
        watch: Watch,
        journal: Journal,
        clock: Clock,
        listeners: Listeners,
        gate: Gate | None = None,
    ) -> None:
        self._codec = codec
        self._gate = gate
        self._listeners = listeners
        self._watch = watch
        self._journal = journal
        self._clock = clock
        self._judged: list[_Judged] = []
        self._kept: deque[_Judged] = deque()
        self._pause = 0.0
        self._next_try = 0.0
        self._crowded_until = 0.0
        self._is_ending = False
        #: The largest body that the queue takes, in bytes.
        self.max_body = 0

    def __bool__(self) -> bool:
        return bool(self._judged)

    @property
    def is_crowded(self) -> bool:
        """Whether nothing more should be reserved now: too much is kept that finds no room."""
        return self._crowded_until > 0.0 and self._clock.monotonic() < self._crowded_until

    def judge(self, run: Run, verdict: Verdict, seconds: float = 0.0) -> None:
        """Offer a verdict from now on; `seconds` is how long the run took."""
        told = settlement(run, verdict, self._codec, max_body=self.max_body)
        if told.rewritten is not None:
            asked, verdict = verdict, countable(run, verdict, told, max_body=self.max_body)
            if verdict is not asked:
                told = settlement(run, verdict, self._codec, max_body=self.max_body)
        judged = _Judged(run, verdict, told, seconds)
        if self._kept and told.rewritten is not None:
            self._keep(judged)
        else:
            self._judged.append(judged)

    def offers(self) -> list[Settlement]:
        """Return what to tell the queue now, in the order in which `note` wants the answers."""
        if self._kept and (now := self._clock.monotonic()) >= self._next_try:
            self._next_try = now + self._pause
            self._judged.append(self._kept.popleft())
        return [judged.settlement for judged in self._judged]

    def note(self, answers: Sequence[bool | QueueError]) -> None:
        """Report what was settled; keep what nobody knows yet, to offer it again first."""
        offered, self._judged = self._judged, []
        refused: list[_Judged] = []
        has_room, heard, gate = False, self._listeners.functions, self._gate
        for judged, answer in zip(offered, answers, strict=True):
            if isinstance(answer, QueueError):
                is_full = isinstance(answer, QueueFullError) and judged.settlement.rewritten
                (refused if is_full else self._judged).append(judged)
                continue
            has_room = has_room or (answer and judged.settlement.rewritten is not None)
            self._watch.end(judged.run)
            verdict = judged.verdict if answer else LOST
            self._journal.ended(judged.run, verdict, judged.seconds)
            if heard and verdict.ending.value in heard:
                self._listeners.tell(_event(judged.run, verdict, judged.seconds))
            if gate is not None and judged.run in gate.known:
                gate.settled(judged.run, verdict)
        if refused:
            self._wait_for_room(refused)
        elif self._pause and has_room:
            self._end_wait()

    def give_back(self) -> None:
        """Hand back unspent what is kept, and from now on what finds no room: this process ends."""
        self._is_ending = True
        kept, self._kept = self._kept, deque()
        for judged in kept:
            self._keep(judged)

    def _wait_for_room(self, refused: Sequence[_Judged]) -> None:
        if not self._pause:
            reason = "the queue has no room for retries and burials: they are kept until it has"
            self._journal.say("WARNING", "full", reason=reason)
        self._pause = min(2 * self._pause or _FIRST_PAUSE, _LONGEST_PAUSE)
        self._next_try = self._clock.monotonic() + self._pause
        for judged in refused:
            self._keep(judged)

    def _end_wait(self) -> None:
        self._pause = self._crowded_until = 0.0
        self._judged += self._kept
        self._kept.clear()
        self._journal.say("INFO", "room", reason="the queue has room again")

    def _keep(self, judged: _Judged) -> None:
        if len(self._kept) >= MOST_KEPT:
            self._crowded_until = self._clock.monotonic() + _CROWDED
        elif not self._is_ending or judged.run.over_time:
            # A run over its time may not have ended: handed back, another would begin beside it.
            self._kept.append(judged)
            return
        self.judge(judged.run, RELEASED, judged.seconds)


def _event(run: Run, verdict: Verdict, seconds: float) -> Event:
    return Event(
        name=verdict.ending.value,
        id=run.id,
        type=run.type,
        queue=run.queue,
        attempt=run.attempt,
        duration=seconds,
        reason=verdict.reason,
        error=verdict.error,
        headers=run.headers,
    )
