"""Verdicts on their way to the queue: each is offered until the queue has answered it.

Knows neither how a verdict came about nor when it is sent.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from pulpo.codec import Codec
from pulpo.errors import QueueError
from pulpo.job import Settlement
from pulpo.run import Run
from pulpo.worker.decide import LOST, Verdict
from pulpo.worker.journal import Journal
from pulpo.worker.rewrite import countable, settlement
from pulpo.worker.watch import Watch

__all__ = ["Settling"]


class _Judged(NamedTuple):
    run: Run
    verdict: Verdict
    settlement: Settlement
    seconds: float


class Settling:
    """What was judged and is not settled; the loop thread's."""

    def __init__(self, codec: Codec, watch: Watch, journal: Journal) -> None:
        self._codec = codec
        self._watch = watch
        self._journal = journal
        self._judged: list[_Judged] = []
        #: The largest body that the queue takes, in bytes.
        self.max_body = 0

    def __bool__(self) -> bool:
        return bool(self._judged)

    def judge(self, run: Run, verdict: Verdict, seconds: float = 0.0) -> None:
        """Offer a verdict from now on; `seconds` is how long the run took."""
        told = settlement(run, verdict, self._codec, max_body=self.max_body)
        if told.rewritten is not None:
            asked, verdict = verdict, countable(run, verdict, told, max_body=self.max_body)
            if verdict is not asked:
                told = settlement(run, verdict, self._codec, max_body=self.max_body)
        self._judged.append(_Judged(run, verdict, told, seconds))

    def offers(self) -> list[Settlement]:
        """Return what to tell the queue now, in the order in which `note` wants the answers."""
        return [judged.settlement for judged in self._judged]

    def note(self, answers: Sequence[bool | QueueError]) -> None:
        """Report what was settled; keep what nobody knows yet, to offer it again first."""
        unknown: list[_Judged] = []
        for judged, answer in zip(self._judged, answers, strict=True):
            if isinstance(answer, QueueError):
                unknown.append(judged)
                continue
            self._watch.end(judged.run)
            verdict = judged.verdict if answer else LOST
            self._journal.ended(judged.run, verdict, judged.seconds)
        self._judged = unknown
