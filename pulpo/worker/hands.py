"""Where the handlers of one worker run, and by how much its backoffs are spread.

A worker has threads and an event loop of its own; a test lets its jobs run in the thread that it is
in (`pulpo.worker.in_place`). Decides nothing.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from pulpo.clock import Clock
from pulpo.worker.coroutines import CoroutinePool
from pulpo.worker.gate import Gate
from pulpo.worker.gatekeeper import Rule
from pulpo.worker.settings import WorkerParts, WorkerSettings
from pulpo.worker.threads import ThreadPool

__all__ = ["Hands", "MakeGate"]

#: As `Gate.by`.
MakeGate: TypeAlias = Callable[
    [Sequence[Rule], WorkerParts, WorkerSettings, Clock, Callable[[], None]], Gate
]


def _anywhere() -> float:
    return random.uniform(-1.0, 1.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Hands:
    """The pools of one worker, and how its gate is made, where there is something to be asked.

    `spread` draws from -1.0 to 1.0 how a backoff is spread.
    """

    threads: ThreadPool
    coroutines: CoroutinePool
    spread: Callable[[], float] = _anywhere
    make_gate: MakeGate = Gate.by

    @classmethod
    def of(cls, settings: WorkerSettings, clock: Clock, finished: Callable[[], None]) -> Hands:
        """Return threads and an event loop, which begin with their first job."""
        return cls(
            threads=ThreadPool(settings.threads, clock, finished),
            coroutines=CoroutinePool(settings.async_slots, clock, finished),
        )
