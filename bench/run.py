"""Takes measures: each loop in a new place, pulpo and the bare ones in turns."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from typing import NamedTuple

from bench.measure import Measure
from bench.place import missing, open_place
from bench.progress import Progress
from bench.pulpo_side import PulpoSide
from bench.sides import Opens
from bench.timing import PULPO, Row, Sample, alternate, rows

__all__ = ["Found", "run"]


class Found(NamedTuple):
    """What was measured, and the names of the measures that broke."""

    rows: list[Row]
    broken: list[str]


def run(
    measures: Sequence[Measure],
    families: Sequence[str],
    *,
    n: int | None = None,
    rounds: int | None = None,
) -> Found:
    """Return a row for each metric of each measure, on all engines of these families.

    A measure that breaks is told on stderr at once; the figures of the others are kept.
    """
    plan = list(_plan(measures, families))
    runs = sum((rounds or m.rounds) * (1 + len(m.bare[engine])) for m, engine in plan)
    found = Found([], [])
    with Progress(runs) as progress:
        for step, (measure, engine) in enumerate(plan, 1):
            progress.begin(f"[{step}/{len(plan)}] {measure.name} on {engine}")
            size = n or measure.n
            loops = {PULPO: _once(measure, engine, size, measure.opens or PulpoSide)}
            for name, opens in measure.bare[engine].items():
                loops[name] = _once(measure, engine, measure.bare_n(size), opens)
            try:
                samples = alternate(loops, rounds or measure.rounds, progress.step)
            except Exception as error:  # noqa: BLE001  # of a driver, a server or a process
                name = f"{measure.name} on {engine}"
                print(f"broke: {name}: {error}", file=sys.stderr)
                found.broken.append(name)
            else:
                found.rows.extend(rows(measure.name, engine, size, samples))
    return found


def _plan(measures: Sequence[Measure], families: Sequence[str]) -> Iterator[tuple[Measure, str]]:
    for measure in measures:
        for engine in measure.bare:
            if engine.partition("?")[0] not in families:
                continue
            if reason := missing(engine) or measure.missing():
                print(f"not measured: {measure.name} on {engine}: {reason}", file=sys.stderr)
                continue
            yield measure, engine


def _once(measure: Measure, engine: str, n: int, opens: Opens) -> Callable[[], Sample]:
    def take() -> Sample:
        with open_place(engine) as place, closing(opens(place)) as side:
            return measure.take(side, place.folder, n)

    return take
