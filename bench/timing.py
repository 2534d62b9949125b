"""Samples and what they say: alternating runs, medians, spreads, ratios. Pure but for the runs."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median

__all__ = ["PULPO", "Row", "Sample", "Spread", "alternate", "rows"]

PULPO = "pulpo"

Sample = Mapping[str, float]  # metric -> value: {"jobs/s": 15000.0}, or {"p50 ms": 0.2, ...}

# By the end of a metric's name: of these less is better, and these may well be nothing.
_COSTS = ("ms", "MB")
_NO_RATIO = ("CPU %", "early", "MB more")


@dataclass(frozen=True, slots=True)
class Spread:
    """The median of some values, and between what they lie."""

    middle: float
    least: float
    most: float

    @classmethod
    def of(cls, values: Sequence[float]) -> Spread:
        return cls(median(values), min(values), max(values))


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One metric of pulpo against one bare loop, over all rounds.

    `ratios` are those of the single rounds. 1.0 = as good as bare, more is better: for times and
    memory it is bare through pulpo. There are none of what may well be nothing at all.
    """

    measure: str
    engine: str
    metric: str
    against: str
    n: int
    pulpo: Sequence[float]
    bare: Sequence[float]

    @property
    def ratios(self) -> list[float]:
        pairs = zip(self.pulpo, self.bare, strict=True)
        if self.metric.endswith(_NO_RATIO):
            return []
        if self.metric.endswith(_COSTS):
            return [bare / pulpo for pulpo, bare in pairs]
        return [pulpo / bare for pulpo, bare in pairs]


def alternate(
    loops: Mapping[str, Callable[[], Sample]], rounds: int, progress: Callable[[str], None]
) -> dict[str, list[Sample]]:
    """Run each loop once a round; every other round backwards, so that none always comes first."""
    samples: dict[str, list[Sample]] = {name: [] for name in loops}
    for number in range(rounds):
        order = list(loops) if number % 2 == 0 else list(loops)[::-1]
        for name in order:
            progress(f"{name}, {number + 1} of {rounds}")
            samples[name].append(loops[name]())
    return samples


def rows(
    measure: str, engine: str, n: int, samples: Mapping[str, Sequence[Sample]]
) -> Sequence[Row]:
    """Return a row for each metric and each bare loop."""
    ours = samples[PULPO]
    return [
        Row(
            measure=measure,
            engine=engine,
            metric=metric,
            against=name,
            n=n,
            pulpo=[sample[metric] for sample in ours],
            bare=[sample[metric] for sample in theirs],
        )
        for name, theirs in samples.items()
        if name != PULPO
        for metric in ours[0]
    ]
