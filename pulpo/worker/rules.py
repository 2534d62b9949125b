"""Which rules decide whether a run may start here, and what a queue has no place for."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

from pulpo.adapter import Engine, GuardsBeside
from pulpo.clock import Clock
from pulpo.errors import UnsupportedError
from pulpo.registry import JobType
from pulpo.side import guarding_side
from pulpo.worker.gatekeeper import Rule
from pulpo.worker.guards import GuardRule, refused_guards
from pulpo.worker.limiting import Limiting
from pulpo.worker.settings import WorkerParts

__all__ = ["Refused", "refused_types", "rules_of"]


class Refused(NamedTuple):
    """A job type that its queue has no place for: the option that asks for it, and why."""

    job_type: JobType
    option: str
    why: str


def refused_types(engine: Engine, job_types: Iterable[JobType]) -> list[Refused]:
    """Return the types that ask for what this queue has no place for; opens nothing."""
    kinds = list(job_types)
    found = [Refused(kind, "unique", why) for kind, why in refused_guards(engine, kinds)]
    for kind in kinds:
        if kind.limit is not None:
            try:
                guarding_side(engine, f"the limit of {kind.type!r}").close()
            except UnsupportedError as error:
                found.append(Refused(kind, "limit", str(error)))
    return found


def rules_of(parts: WorkerParts, clock: Clock, spread: Callable[[], float]) -> Sequence[Rule]:
    """Return the rules that job types of this worker ask for; none for most workers.

    `spread` draws from -1.0 to 1.0 by how much a wait is spread.
    """
    rules: list[Rule] = []
    if isinstance(parts.engine, GuardsBeside) and parts.engine.guards_beside:
        rules.append(GuardRule())
    if any(job_type.limit is not None for job_type in parts.registry):
        # The last one: no slot is taken by what another rule refuses.
        rules.append(Limiting(clock, spread))
    return rules
