"""What pulpo is to reach, and whether it has. Pure.

Most goals are ratios to the bare loop of the same run, so that they hold on any machine. Where
nothing bare is to be reached, a goal is a value.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from bench.timing import Row, Spread

__all__ = ["GOALS", "Goal", "Verdict", "judge"]

_FILE, _UNSYNCED, _SERVER = "sqlite", "sqlite?sync=normal", "beanstalkd"
_TABLE = "postgresql"


@dataclass(frozen=True, slots=True, kw_only=True)
class Goal:
    """A bound on the median of one row; of several bounds, one is enough.

    `against` is the start of the bare loop's name, where a measure has more than one.
    """

    measure: str
    engine: str
    metric: str
    ratio: float | None = None
    at_least: float | None = None
    at_most: float | None = None
    against: str = ""

    @property
    def text(self) -> str:
        bounds = []
        if self.ratio is not None:
            bounds.append(f">= {self.ratio:g} of {self.against or 'bare'}")
        if self.at_least is not None:
            bounds.append(f">= {self.at_least:,g}")
        if self.at_most is not None:
            bounds.append(f"<= {self.at_most:g}")
        return " or ".join(bounds)

    def fits(self, row: Row) -> bool:
        named = (row.measure, row.engine, row.metric) == (self.measure, self.engine, self.metric)
        return named and row.against.startswith(self.against)


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """A goal and the row that it was looked for in."""

    goal: Goal
    row: Row

    @property
    def value(self) -> float:
        return Spread.of(self.row.pulpo).middle

    @property
    def ratio(self) -> float | None:
        return Spread.of(self.row.ratios).middle if self.row.ratios else None

    @property
    def found(self) -> dict[str, float | None]:
        return {"value": self.value, "ratio": self.ratio}

    @property
    def met(self) -> bool:
        goal, ratio = self.goal, self.ratio
        return (
            (goal.ratio is not None and ratio is not None and ratio >= goal.ratio)
            or (goal.at_least is not None and self.value >= goal.at_least)
            or (goal.at_most is not None and self.value <= goal.at_most)
        )


def judge(rows: Sequence[Row]) -> list[Verdict]:
    """Return a verdict for each goal that was measured, in the order of the goals."""
    found = []
    for goal in GOALS:
        row = next(filter(goal.fits, rows), None)
        if row is not None:
            found.append(Verdict(goal=goal, row=row))
    return found


def _rates() -> Iterator[Goal]:
    def goal(measure: str, engine: str, ratio: float, against: str = "") -> Goal:
        return Goal(measure=measure, engine=engine, metric="jobs/s", ratio=ratio, against=against)

    yield goal("publish", _SERVER, 0.85)
    yield goal("publish", _FILE, 0.85)
    yield goal("publish", _UNSYNCED, 0.5)
    yield goal("publish_many", _SERVER, 0.5)
    yield Goal(measure="publish_many", engine=_FILE, metric="jobs/s", ratio=0.3, at_least=100_000)
    yield goal("drain", _SERVER, 0.65, "raw socket")
    yield goal("drain", _FILE, 0.2)
    for engine in (_SERVER, _FILE):
        yield goal("beside_limited", engine, 0.95, "pulpo, without")
    yield goal("publish", _TABLE, 0.8)
    yield goal("publish_many", _TABLE, 0.5)
    yield goal("drain", _TABLE, 0.6)
    # And faster than the fastest of the peers.
    yield Goal(measure="drain", engine=_TABLE, metric="jobs/s", at_least=25_700)
    yield goal("drain_all", _SERVER, 0.85)
    yield goal("drain_all", _FILE, 0.33)
    yield goal("end_to_end", _SERVER, 0.75, "consumer takes one by one")
    yield goal("end_to_end", _FILE, 0.6, "consumer takes one by one")
    yield goal("end_to_end", _UNSYNCED, 0.6, "consumer takes one by one")


def _times() -> Iterator[Goal]:
    def goal(measure: str, engine: str, metric: str, at_most: float) -> Goal:
        return Goal(measure=measure, engine=engine, metric=metric, at_most=at_most)

    for engine, middle, slow in (
        (_SERVER, 0.3, 0.8),
        (_FILE, 0.5, 1.5),
        (_UNSYNCED, 0.5, 1.5),
    ):
        yield goal("latency", engine, "p50 ms", middle)
        yield goal("latency", engine, "p99 ms", slow)
    # 1.5 times the bare round trip, and not more.
    yield Goal(measure="latency", engine=_TABLE, metric="p50 ms", ratio=1 / 1.5)
    for engine in (_SERVER, _FILE):
        yield goal("sleep_threads", engine, "ms", 130)
        yield goal("sleep_async", engine, "ms", 80)
        yield goal("boot", engine, "ms", 200)
        yield goal("idle", engine, "MB", 36)
        yield goal("idle", engine, "CPU %", 0.1)
    yield goal("first_publish", _SERVER, "ms", 25)
    yield goal("first_delay", _SERVER, "ms", 90)


def _sizes() -> Iterator[Goal]:
    for engine in (_SERVER, _FILE, _TABLE):
        for measure, metric in (
            ("million", "published/s"),
            ("million", "worked/s"),
            ("million_urgent", "p50 ms"),
            ("million_urgent", "p99 ms"),
        ):
            yield Goal(measure=measure, engine=engine, metric=metric, ratio=0.8, against="pulpo")
    for engine in (_SERVER, _FILE):
        for metric, at_most in (("early", 0), ("late p99 ms", 1500), ("MB more", 4)):
            yield Goal(measure="delayed", engine=engine, metric=metric, at_most=at_most)


def _scales() -> Iterator[Goal]:
    for engine in (_SERVER, _FILE):
        for step in ("2 : 1", "4 : 2"):
            yield Goal(measure="processes", engine=engine, metric=step, at_least=0.9)
        for step in ("2 : 1", "4 : 2", "8 : 4", "16 : 8"):
            yield Goal(measure="producers", engine=engine, metric=step, at_least=0.9)
    for engine in (_FILE, _UNSYNCED):
        yield Goal(measure="producers", engine=engine, metric="lesser of 2, %", at_least=40)


GOALS = (*_rates(), *_times(), *_scales(), *_sizes())
