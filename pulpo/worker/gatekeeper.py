"""The thread of the gate: asks rules about runs, through doors of its own to the queue's side.

    told = words.hear(patience)        # what the loop has said since
    answers = keeper.take(told)

While the store is away nobody is let in, which is said once in the log; what has to be told to it
is told again. Knows no rule and no pool.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum
from functools import partial
from queue import Empty, SimpleQueue
from typing import NamedTuple, Protocol

from pulpo.adapter import Engine, QueueAdmin
from pulpo.clock import Clock
from pulpo.errors import QueueError
from pulpo.run import Run
from pulpo.side import SideStore, guarding_side
from pulpo.worker.decide import SUCCESS, Verdict, unasked
from pulpo.worker.journal import Journal

__all__ = ["Answer", "Beside", "Gatekeeper", "Heard", "Rule", "Word", "Words", "open_beside"]

# How often rules look after what they have let in, and after a store that is away, in seconds.
LOOK_EVERY = 3.0
# So much is kept for a store that is away, the newest; then it is for the facts to end.
MOST_UNTOLD = 10_000


@dataclass(frozen=True, slots=True)
class Beside:
    """What rules ask: the facts beside the queue, and an operator's door to it; one thread's."""

    store: SideStore
    admin: QueueAdmin


def open_beside(engine: Engine) -> Beside:
    """Open both doors, which are reached on first use.

    Raises `UnsupportedError` where the workers of this queue share no store.
    """
    return Beside(guarding_side(engine, "what a job may be run for"), engine.admin())


class Rule(Protocol):
    """One kind of question.

    `concerns` and `allowed_until` are the loop thread's and ask nobody; the rest is called by the
    gate's thread. Where one of these raises, nobody is let in, and what was told is told again:
    twice is once.
    """

    @property
    def looks_after(self) -> bool:
        """Whether `keep` has something to do before anything was asked."""
        ...

    def concerns(self, run: Run) -> bool:
        """Whether this rule has to be asked about a run."""
        ...

    def ask(self, runs: Sequence[Run], beside: Beside) -> Sequence[Verdict | None]:
        """For each run, in order: None = it may start, or what becomes of its job instead."""
        ...

    def allowed_until(self, run: Run) -> float:
        """Return until which monotonic second a run may go on that was let in; math.inf = any.

        The worker sees to it that it has ended before.
        """
        ...

    def ended(self, runs: Sequence[Run], beside: Beside) -> None:
        """Take note that runs which were let in are over, or will not start after all."""
        ...

    def settled(self, told: Sequence[tuple[Run, Verdict]], beside: Beside) -> None:
        """Take note of what became of jobs that were asked about: the queue has confirmed it."""
        ...

    def keep(self, beside: Beside) -> None:
        """Look after what was let in; called every few seconds, and first of all."""
        ...


class Answer(NamedTuple):
    """What the gate says about a run: None = it may start."""

    run: Run
    verdict: Verdict | None


class Word(Enum):
    """What the loop says to the gate's thread."""

    ASK = "ask"
    ENDED = "ended"
    SETTLED = "settled"
    STOP = "stop"


class Heard(NamedTuple):
    """One word, and what it is about."""

    word: Word
    run: Run | None = None
    verdict: Verdict = SUCCESS


class Words:
    """What one thread says to another one."""

    def __init__(self) -> None:
        self._queue: SimpleQueue[Heard] = SimpleQueue()
        self._said = self._done = 0

    @property
    def all_done(self) -> bool:
        """Whether everything that was said has been carried out; who says it asks."""
        return self._said == self._done

    def say(self, word: Word, run: Run | None = None, verdict: Verdict = SUCCESS) -> None:
        """Say something."""
        self._said += 1
        self._queue.put(Heard(word, run, verdict))

    def forget(self) -> None:
        """Take back all that was said: nobody hears it."""
        self._queue, self._done = SimpleQueue(), self._said

    def hear(self, patience: float) -> list[Heard]:
        """Wait so many seconds for a word; return all there are."""
        found: list[Heard] = []
        try:
            found.append(self._queue.get(timeout=patience))
            while True:
                found.append(self._queue.get_nowait())
        except Empty:
            return found

    def done(self, count: int) -> None:
        """Say that so many words were carried out; who hears them does."""
        self._done += count


class Gatekeeper:
    """Asks, and tells; the gate's thread owns it."""

    def __init__(
        self,
        rules: Sequence[Rule],
        open_doors: Callable[[], Beside],
        clock: Clock,
        journal: Journal,
    ) -> None:
        self._clock = clock
        self._rules = tuple(rules)
        self._open_doors = open_doors
        self._journal = journal
        self._beside: Beside | None = None
        self._let_in_by: dict[Run, list[Rule]] = {}
        self._ended: list[Run] = []
        self._settled: list[tuple[Run, Verdict]] = []
        self._is_away, self._why = False, ""
        self.has_stopped = False
        #: In so many seconds `keep` is due again.
        self.look_again_in = LOOK_EVERY

    def keep(self) -> None:
        """Let every rule look after what it has let in."""
        for rule in self._rules:
            self._try(rule.keep)

    def take(self, heard: Sequence[Heard]) -> list[Answer]:
        """Carry out what was said; return the answers to what was asked."""
        asked: dict[Run, None] = {}
        for word, run, verdict in heard:
            if run is None:
                self.has_stopped = self.has_stopped or word is Word.STOP
            elif word is Word.ASK:
                asked[run] = None
            elif word is Word.SETTLED:
                self._settled.append((run, verdict))
            elif asked.pop(run, self) is self:  # else it was taken back before we came to it
                self._ended.append(run)
        # First what makes room for others.
        self._pass_on()
        return self._ask(list(asked)) if asked else []

    def close(self) -> None:
        """Let go of the doors."""
        if self._beside is not None and not self._is_away:
            # What cannot be asked may not be ours: a handler may have closed descriptors.
            self._beside.store.close()
            self._beside.admin.close()

    def _pass_on(self) -> None:
        """Tell the rules what has ended and what was settled."""
        if not (self._ended or self._settled):
            return
        told = [self._try(partial(self._tell, rule)) for rule in self._rules]  # each of them
        if all(told):
            for run in self._ended:
                self._let_in_by.pop(run, None)
            self._ended, self._settled = [], []
        else:
            self._ended, self._settled = self._ended[-MOST_UNTOLD:], self._settled[-MOST_UNTOLD:]

    def _tell(self, rule: Rule, beside: Beside) -> None:
        ended = [run for run in self._ended if rule in self._let_in_by.get(run, ())]
        if ended:
            rule.ended(ended, beside)
        settled = [told for told in self._settled if rule.concerns(told[0])]
        if settled:
            rule.settled(settled, beside)

    def _ask(self, runs: Sequence[Run]) -> list[Answer]:
        """Ask one rule after the other; what one refuses is not let in by those before it."""
        verdicts: dict[Run, Verdict | None] = dict.fromkeys(runs)
        for rule in self._rules:
            mine = [run for run in runs if verdicts[run] is None and rule.concerns(run)]
            if mine:
                verdicts.update(zip(mine, self._answers(rule, mine), strict=True))
        refused = [run for run, verdict in verdicts.items() if verdict is not None]
        self._ended += [run for run in refused if run in self._let_in_by]
        self._pass_on()
        return [Answer(run, verdict) for run, verdict in verdicts.items()]

    def _answers(self, rule: Rule, runs: Sequence[Run]) -> Sequence[Verdict | None]:
        answers: list[Verdict | None] = []
        is_sure = self._try(lambda beside: answers.extend(rule.ask(runs, beside)))
        if is_sure and self._is_away:
            # Only an answer proves it: there may be nothing to be told, or to be looked after.
            self._journal.say("INFO", "gate", reason="what may run can be asked again")
            self._is_away = False
        if not is_sure:
            now, spread = self._clock.wall(), random.uniform(-1, 1)
            answers = [unasked(run.envelope, self._why, now=now, spread=spread) for run in runs]
        for run, verdict in zip(runs, answers, strict=True):
            # What was let in before it raised is let out again later.
            if verdict is None or not is_sure:
                self._let_in_by.setdefault(run, []).append(rule)
        return answers

    def _try(self, act: Callable[[Beside], None]) -> bool:
        """Do something with the doors; say once that they are out of reach."""
        try:
            if self._beside is None:
                self._beside = self._open_doors()
            act(self._beside)
        except Exception as error:  # noqa: BLE001  # a store may be a third party's
            kind = "" if isinstance(error, QueueError) else f"{type(error).__name__}: "
            self._why = f"{kind}{error}"
            if not self._is_away:
                reason = f"what may run cannot be asked, and is put back for now: {self._why}"
                self._journal.say("WARNING", "gate", reason=reason)
            self._is_away = True
            return False
        return True
