"""The gate: answers "may this run start?", for the few runs that somebody has to be asked about.

The loop waits for nothing: it hands such runs over and takes answers back, as it does with results.
The asking is done by a thread, in `pulpo.worker.gatekeeper`, by rules that neither of them knows.
Runs that no rule concerns never come here.
"""

from __future__ import annotations

import math
import threading
from collections import deque
from collections.abc import Callable, Sequence
from functools import partial

from pulpo.clock import Clock
from pulpo.run import Run
from pulpo.worker.decide import SUCCESS, Verdict, unasked
from pulpo.worker.gatekeeper import Answer, Gatekeeper, Heard, Rule, Word, Words, open_beside
from pulpo.worker.journal import Journal
from pulpo.worker.settings import WorkerParts, WorkerSettings

__all__ = ["Gate"]

# How long the end of a worker waits for what it has still to say, in seconds.
LAST_WORDS = 0.5


class Gate:
    """The loop thread's; `answered` is called from the gate's own thread."""

    def __init__(
        self,
        rules: Sequence[Rule],
        keeper: Gatekeeper,
        clock: Clock,
        answered: Callable[[], None],
    ) -> None:
        self._rules = tuple(rules)
        self._keeper = keeper
        self._answered = answered
        self._clock = clock
        self._words = Words()
        self._outbox: deque[Answer] = deque()
        #: What was asked about and is not settled.
        self.known: set[Run] = set()
        self._asked: dict[Run, None] = {}
        self._let_in: dict[Run, None] = {}
        self._thread: threading.Thread | None = None
        self._next_look = -math.inf

    @classmethod
    def by(
        cls,
        rules: Sequence[Rule],
        parts: WorkerParts,
        settings: WorkerSettings,
        clock: Clock,
        answered: Callable[[], None],
    ) -> Gate:
        """Return the gate of a worker."""
        journal = Journal(clock, format=settings.log_format)  # the worker's own is the loop's
        keeper = Gatekeeper(rules, partial(open_beside, parts.engine), clock, journal)
        return cls(rules, keeper, clock, answered)

    @property
    def is_idle(self) -> bool:
        """Whether nothing is under way: no answer, and no word to those who are asked."""
        return not self._asked and self._words.all_done

    @property
    def in_hand(self) -> tuple[int, int]:
        """How many runs wait for an answer: those for a thread, and coroutines."""
        coroutines = sum(run.is_coroutine for run in self._asked)
        return len(self._asked) - coroutines, coroutines

    def ask(self, runs: list[Run]) -> list[Run]:
        """Ask about runs; return those about which nobody has to be asked.

        The others come back by `take_answers`, soon.
        """
        asked = [run for run in runs if any(rule.concerns(run) for rule in self._rules)]
        if not asked:
            return runs
        for run in asked:
            self._words.say(Word.ASK, run)
        self._asked.update(dict.fromkeys(asked))
        self.known.update(asked)
        self.start()
        return [run for run in runs if run not in self._asked]

    def take_answers(self) -> list[Answer]:
        """Return the answers since the last call, but for runs that were taken back meanwhile."""
        found = []
        for _ in range(len(self._outbox)):
            answer = self._outbox.popleft()
            if self._asked.pop(answer.run, self) is self:
                continue
            found.append(answer)
            if answer.verdict is None:
                self._let_in[answer.run] = None
        return found

    def take_back(self) -> list[Run]:
        """Return the runs that wait for an answer, and let them wait no longer."""
        runs = list(self._asked)
        self._asked.clear()
        for run in runs:
            self._tell(Word.ENDED, run)
        return runs

    def end(self, run: Run) -> None:
        """Say that a run is over, or is not started after all; for one not let in, nothing."""
        if self._let_in.pop(run, self) is not self:
            self._tell(Word.ENDED, run)

    def settled(self, run: Run, verdict: Verdict) -> None:
        """Say that the queue has confirmed what became of a job that was asked about."""
        self.known.discard(run)
        self._tell(Word.SETTLED, run, verdict)

    def expiring(self, now: float, *, within: float) -> list[tuple[Run, float]]:
        """Return the runs that may go on for no more than so many seconds, and until when.

        In monotonic seconds, as `now`.
        """
        ends = {run: min(rule.allowed_until(run) for rule in self._rules) for run in self._let_in}
        return [(run, end) for run, end in ends.items() if end - now <= within]

    def begin(self) -> None:
        """Begin to look after what was left waiting by a worker that has died, if anything can."""
        if any(rule.looks_after for rule in self._rules):
            self.start()

    def start(self) -> None:
        """Let the thread begin, if it has not; without room for one, what is asked goes back."""
        if self._thread is not None:
            return
        thread = threading.Thread(target=self._serve, name="pulpo-gate", daemon=True)
        try:
            thread.start()
        except RuntimeError as error:
            now = self._clock.wall()
            self._outbox += [
                Answer(run, unasked(run.envelope, str(error), now=now, spread=0.0))
                for run in self._asked
            ]
            self._words.forget()
            self._answered()
        else:
            self._thread = thread

    def stop(self, patience: float = LAST_WORDS) -> None:
        """Let the thread say what is still to be said, for so many seconds; twice is once."""
        thread, self._thread = self._thread, None
        if thread is not None:
            self._words.say(Word.STOP)
            thread.join(patience)

    def _tell(self, word: Word, run: Run, verdict: Verdict = SUCCESS) -> None:
        if self._thread is not None:  # else nobody was asked, and nobody hears it
            self._words.say(word, run, verdict)

    def _serve(self) -> None:
        while not self._keeper.has_stopped:
            patience = max(self._next_look - self._clock.monotonic(), 0.0)
            self._attend(self._words.hear(patience))
        self._keeper.close()

    def _attend(self, heard: Sequence[Heard]) -> None:
        """Look after what was let in, if it is time for that; carry out what was said."""
        now = self._clock.monotonic()
        if now >= self._next_look:
            self._next_look = now + self._keeper.look_again_in
            self._keeper.keep()
        answers = self._keeper.take(heard)
        self._outbox.extend(answers)
        self._words.done(len(heard))
        if heard:
            self._answered()
