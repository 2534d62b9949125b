"""The rule of limits: how many jobs run at once, and how often they start, over all workers.

A slot is a fact that is taken by compare-and-set and ends by itself where its worker is dead. Who
finds none is put aside, and is woken by whoever frees one; a long delay is only the net below that.
Who comes too early for a rate gets its turn at once, waits until then, and is not asked again.
How such facts look is known in `pulpo.telling.limits`.
"""

from __future__ import annotations

import math
import os
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from pulpo.clock import Clock
from pulpo.errors import QueueUnavailableError
from pulpo.job import Sighting
from pulpo.limit import Limit, LimitKey
from pulpo.run import Run
from pulpo.side import ABSENT, SideStore
from pulpo.telling.limits import (
    LASTS,
    NOT_SEEN,
    RATES,
    Holder,
    free_slots,
    rate_write,
    slot_removal,
    slot_write,
    waiter_removal,
    waiter_write,
)
from pulpo.worker.decide import Ending, Verdict, no_slot, not_its_turn
from pulpo.worker.gatekeeper import Beside
from pulpo.worker.waking import Aside, Waking, wake

__all__ = ["Limiting"]

# So often somebody else may be quicker with the same fact.
_TRIES = 100


@dataclass(slots=True)
class _Held:
    """A slot that one of our runs has, until a monotonic second."""

    key: LimitKey
    limit: Limit
    number: int
    version: int
    until: float


class Limiting:
    """Asks for the runs whose types have a limit; see `pulpo.worker.gatekeeper.Rule`."""

    def __init__(self, clock: Clock, spread: Callable[[], float]) -> None:
        self._clock = clock
        self._spread = spread
        self._host, self._pid = os.uname().nodename, os.getpid()
        self._held: dict[Run, _Held] = {}
        self._aside: dict[Run, Aside] = {}
        self._waking = Waking()

    @property
    def looks_after(self) -> bool:
        """Whether it has something to do at once: to wake who was left waiting."""
        return True

    def concerns(self, run: Run) -> bool:
        """Whether the type of a run has a limit."""
        return run.job_type.limit is not None

    def allowed_until(self, run: Run) -> float:
        """Return when the slot of a run ends, if it has one."""
        held = self._held.get(run)
        return math.inf if held is None else held.until

    def ask(self, runs: Sequence[Run], beside: Beside) -> Sequence[Verdict | None]:
        """Take slots and turns for runs, or say when they come again."""
        groups: dict[LimitKey, tuple[Limit, list[Run]]] = {}
        for run in runs:
            limit = run.job_type.limit
            assert limit is not None  # it concerns us
            key = limit.key(run.job_type.type, run.job_type.named(run.envelope.body))
            groups.setdefault(key, (limit, []))[1].append(run)
        verdicts: dict[Run, Verdict] = {}
        for key, (limit, group) in groups.items():
            going = group
            if limit.concurrency is not None:
                verdicts |= self._take_slots(key, limit, group, beside.store)
                going = [run for run in group if run not in verdicts]
            if limit.interval is not None:
                verdicts |= self._take_turns(key, limit, going, beside)
        return [verdicts.get(run) for run in runs]

    def ended(self, runs: Sequence[Run], beside: Beside) -> None:
        """Give slots back, and wake as many as wait for them."""
        mine = {run: self._held[run] for run in runs if run in self._held}
        if not mine:
            return
        beside.store.remove(
            [slot_removal(held.key, held.number, expected=held.version) for held in mine.values()]
        )
        freed: dict[str, int] = {}
        for held in mine.values():
            freed[held.key.text] = freed.get(held.key.text, 0) + 1
        for text, count in freed.items():
            wake(beside, text, count)
        for run in mine:
            del self._held[run]

    def settled(self, told: Sequence[tuple[Run, Verdict]], beside: Beside) -> None:
        """Write down that jobs wait which found no slot, now that they do."""
        aside = [
            self._aside[run]
            for run, verdict in told
            if run in self._aside and verdict.ending is Ending.LIMITED
        ]
        if aside:
            self._waking.wait(aside, beside)
        for run, _ in told:
            self._aside.pop(run, None)

    def keep(self, beside: Beside) -> None:
        """Renew the slots, and wake those who wait in vain."""
        runs = list(self._held)
        if runs:
            now = self._clock.monotonic()
            writes = [
                slot_write(
                    held.key, held.limit, held.number, self._holder(run), expected=held.version
                )
                for run, held in self._held.items()
            ]
            for run, written in zip(runs, beside.store.write(writes), strict=True):
                # One that is somebody else's, or gone, ends for us as it would have.
                if written.done and written.fact is not None:
                    held = self._held[run]
                    held.version, held.until = written.fact.version, now + LASTS
        self._waking.look_after(beside)

    def _take_slots(
        self, key: LimitKey, limit: Limit, runs: Sequence[Run], store: SideStore
    ) -> dict[Run, Verdict]:
        left = list(runs)
        for _ in range(_TRIES):
            free = free_slots(store, key, limit) if left else []
            if not free:
                break
            now = self._clock.monotonic()
            # Not all the lowest one: others take slots at the same moment.
            chosen = list(zip(left, random.sample(free, len(free)), strict=False))
            writes = [slot_write(key, limit, n, self._holder(run)) for run, n in chosen]
            for (run, number), written in zip(chosen, store.write(writes), strict=True):
                if written.done and written.fact is not None:
                    version = written.fact.version
                    self._held[run] = _Held(key, limit, number, version, now + LASTS)
            left = [run for run in left if run not in self._held]
        removals = [
            waiter_removal(key, run.priority, run.id)
            for run in runs
            if run in self._held and run.envelope.limited is not None
        ]
        if removals:
            store.remove(removals)  # the net has brought it before it was woken
        self._aside.update((run, Aside(run, key, limit)) for run in left)
        if left:
            # Should we die before it is known where it waits: then whoever wakes it looks for it.
            store.write(
                [
                    waiter_write(key, limit, run.priority, Sighting(run.id, NOT_SEEN, run.queue))
                    for run in left
                ]
            )
        now, spread = self._clock.wall(), self._spread()
        return {run: no_slot(run.envelope, key, limit, now=now, spread=spread) for run in left}

    def _take_turns(
        self, key: LimitKey, limit: Limit, runs: Sequence[Run], beside: Beside
    ) -> dict[Run, Verdict]:
        asked = [run for run in runs if run.envelope.turn is None]
        if not asked:
            return {}
        waits = _turns(beside.store, key, limit, len(asked))
        late = {run: wait for run, wait in zip(asked, waits, strict=True) if wait > 0}
        self.ended(list(late), beside)  # slots that they will need only then
        now = self._clock.wall()
        return {
            run: not_its_turn(run.envelope, key, limit, wait=wait, now=now)
            for run, wait in late.items()
        }

    def _holder(self, run: Run) -> Holder:
        return Holder(job=run.id, type=run.job_type.type, host=self._host, pid=self._pid)


def _turns(store: SideStore, key: LimitKey, limit: Limit, count: int) -> list[float]:
    """Return in how many seconds the next jobs may start, and let them have these turns."""
    for _ in range(_TRIES):
        (fact,) = store.read(RATES, [key.text])
        left, version = (0.0, ABSENT) if fact is None else (fact.left or 0.0, fact.version)
        waits, left = limit.turns(left, count)
        (written,) = store.write([rate_write(key, limit, left, expected=version)])
        if written.done:
            return waits
    raise QueueUnavailableError(f"too many ask for turns of {key.shown} at once")
