"""Rows as a table of text (ratio first) and as JSON; knows nothing of how they were measured."""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence

from bench.goals import Verdict
from bench.timing import Row, Spread

__all__ = ["as_json", "columns", "render", "short"]

_HEAD = ("measure", "engine", "ratio", "pulpo", "bare", "unit", "against")
_RIGHT = {2, 3, 4}


def render(rows: Sequence[Row]) -> str:
    """Return the table: medians, and in brackets the least and the most of all rounds."""
    return columns([_HEAD, *(_cells(row) for row in rows)], _RIGHT)


def columns(lines: Sequence[Sequence[str]], right: Container[int]) -> str:
    """Return lines of cells as aligned text, the first as the head."""
    widths = [max(len(line[column]) for line in lines) for column in range(len(lines[0]))]
    text = [_line(line, widths, right) for line in lines]
    return "\n".join([text[0], "  ".join("-" * width for width in widths), *text[1:]])


def _cells(row: Row) -> tuple[str, ...]:
    ratio = "-"
    if row.ratios:
        spread = Spread.of(row.ratios)
        ratio = f"{spread.middle:.2f} ({spread.least:.2f}-{spread.most:.2f})"
    return (
        row.measure,
        row.engine,
        ratio,
        _values(row.pulpo),
        _values(row.bare),
        row.metric,
        row.against,
    )


def _values(values: Sequence[float]) -> str:
    spread = Spread.of(values)
    return f"{short(spread.middle)} ({short(spread.least)}-{short(spread.most)})"


def short(value: float) -> str:
    """Return a value with about three digits."""
    if value >= 1_000_000:
        return f"{value / 1_000_000:.2f}M"
    if value >= 10_000:
        return f"{value / 1_000:.1f}k"
    return f"{value:,.0f}" if value >= 100 else f"{value:.2f}"


def _line(cells: Sequence[str], widths: Sequence[int], right: Container[int]) -> str:
    shown = [
        cell.rjust(width) if column in right else cell.ljust(width)
        for column, (cell, width) in enumerate(zip(cells, widths, strict=True))
    ]
    return "  ".join(shown).rstrip()


def as_json(
    rows: Sequence[Row], machine: Mapping[str, object], verdicts: Sequence[Verdict] = ()
) -> dict[str, object]:
    """Return everything that was measured, ready for `json.dump`."""
    return {
        "machine": dict(machine),
        "rows": [_row_as_json(row) for row in rows],
        "goals": [
            {
                "measure": verdict.goal.measure,
                "engine": verdict.goal.engine,
                "metric": verdict.goal.metric,
                "goal": verdict.goal.text,
                "found": verdict.found,
                "met": verdict.met,
            }
            for verdict in verdicts
        ],
    }


def _row_as_json(row: Row) -> dict[str, object]:
    return {
        "measure": row.measure,
        "engine": row.engine,
        "metric": row.metric,
        "against": row.against,
        "n": row.n,
        "ratio": Spread.of(row.ratios).middle if row.ratios else None,
        "ratios": list(row.ratios),
        "pulpo": list(row.pulpo),
        "bare": list(row.bare),
    }
