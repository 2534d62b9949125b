"""Which rules decide whether a run may start in this worker."""

from __future__ import annotations

from collections.abc import Sequence

from pulpo.adapter import GuardsBeside
from pulpo.clock import Clock
from pulpo.worker.gatekeeper import Rule
from pulpo.worker.guards import GuardRule
from pulpo.worker.settings import WorkerParts

__all__ = ["rules_of"]


def rules_of(parts: WorkerParts, clock: Clock) -> Sequence[Rule]:
    """Return the rules that job types of this worker ask for; none for most workers."""
    del clock
    rules: list[Rule] = []
    if isinstance(parts.engine, GuardsBeside) and parts.engine.guards_beside:
        rules.append(GuardRule())
    return rules
