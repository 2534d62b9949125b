"""An hour as a small drawing: bars for what succeeded and failed, as numbers for an SVG. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pulpo.dashboard.side import Minute

__all__ = ["HEIGHT", "Bar", "Chart", "chart"]

HEIGHT, WIDTH = 48.0, 6.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Bar:
    """One minute: its place from the left, and from the top where its two parts begin."""

    x: float
    succeeded_y: float
    succeeded_height: float
    failed_y: float
    failed_height: float
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Chart:
    """The bars, the size of the drawing, and in words what it shows."""

    bars: Sequence[Bar]
    width: float
    height: float
    succeeded: int
    failed: int
    most: int
    median: float | None


def chart(minutes: Sequence[Minute] | None) -> Chart | None:
    """Return the drawing of some minutes; None where nobody has told."""
    if not minutes:
        return None
    most = max(minute.succeeded + minute.failed for minute in minutes) or 1
    medians = sorted(minute.median for minute in minutes if minute.median is not None)
    return Chart(
        bars=[_bar(place, minute, most) for place, minute in enumerate(minutes)],
        width=WIDTH * len(minutes),
        height=HEIGHT,
        succeeded=sum(minute.succeeded for minute in minutes),
        failed=sum(minute.failed for minute in minutes),
        most=most,
        median=medians[len(medians) // 2] if medians else None,
    )


def _bar(place: int, minute: Minute, most: int) -> Bar:
    failed = round(HEIGHT * minute.failed / most, 2)
    succeeded = round(HEIGHT * minute.succeeded / most, 2)
    return Bar(
        x=WIDTH * place,
        failed_y=round(HEIGHT - failed, 2),
        failed_height=failed,
        succeeded_y=round(HEIGHT - failed - succeeded, 2),
        succeeded_height=succeeded,
        text=f"{minute.succeeded:,} succeeded, {minute.failed:,} failed",
    )
