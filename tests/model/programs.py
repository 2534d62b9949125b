"""Many programs of many steps, the same ones for the same seed; a failing one is shortened.

    run(ground, examples=200, steps=50, seed=1)

Hypothesis prints the fewest steps that fail, as a program.
"""

from __future__ import annotations

from collections.abc import Callable

import hypothesis
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.model.entries import Counts
from tests.model.grounds import Ground
from tests.model.machine import Machine

__all__ = ["run"]


def run(
    begin: Callable[[], Ground], *, examples: int, steps: int, seed: int, shrink: bool = True
) -> Counts:
    """Try so many programs of so many steps on fresh queues; the same ones for the same seed.

    Raises what the shortest failing program raises, with its steps as a note.
    """
    counts = Counts()
    fields = {"begin": staticmethod(begin), "counts": counts}
    machine: type[Machine] = type("Queue", (Machine,), fields)
    hypothesis.seed(seed)(machine)
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=examples,
            stateful_step_count=steps,
            deadline=None,
            database=None,
            report_multiple_bugs=False,
            phases=(Phase.generate, Phase.shrink) if shrink else (Phase.generate,),
            suppress_health_check=list(HealthCheck),
        ),
    )
    return counts
