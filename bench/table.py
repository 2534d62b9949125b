"""Rows as a table of text (ratio first) and as JSON; knows nothing of how they were measured."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from bench.timing import Row, Spread

__all__ = ["as_json", "render"]

_HEAD = ("measure", "engine", "ratio", "pulpo", "bare", "unit", "against")
_RIGHT = {2, 3, 4}


def render(rows: Sequence[Row]) -> str:
    """Return the table: medians, and in brackets the least and the most of all rounds."""
    lines = [_HEAD, *(_cells(row) for row in rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(_HEAD))]
    text = [_line(line, widths) for line in lines]
    return "\n".join([text[0], "  ".join("-" * width for width in widths), *text[1:]])


def _cells(row: Row) -> tuple[str, ...]:
    ratio = Spread.of(row.ratios)
    return (
        row.measure,
        row.engine,
        f"{ratio.middle:.2f} ({ratio.least:.2f}-{ratio.most:.2f})",
        _values(row.pulpo),
        _values(row.bare),
        row.metric,
        row.against,
    )


def _values(values: Sequence[float]) -> str:
    spread = Spread.of(values)
    return f"{_short(spread.middle)} ({_short(spread.least)}-{_short(spread.most)})"


def _short(value: float) -> str:
    if value >= 1_000_000:
        return f"{value / 1_000_000:.2f}M"
    if value >= 10_000:
        return f"{value / 1_000:.1f}k"
    return f"{value:,.0f}" if value >= 100 else f"{value:.2f}"


def _line(cells: Sequence[str], widths: Sequence[int]) -> str:
    shown = [
        cell.rjust(width) if column in _RIGHT else cell.ljust(width)
        for column, (cell, width) in enumerate(zip(cells, widths, strict=True))
    ]
    return "  ".join(shown).rstrip()


def as_json(rows: Sequence[Row], machine: Mapping[str, object]) -> dict[str, object]:
    """Return everything that was measured, ready for `json.dump`."""
    return {
        "machine": dict(machine),
        "rows": [
            {
                "measure": row.measure,
                "engine": row.engine,
                "metric": row.metric,
                "against": row.against,
                "n": row.n,
                "ratio": Spread.of(row.ratios).middle,
                "ratios": list(row.ratios),
                "pulpo": list(row.pulpo),
                "bare": list(row.bare),
            }
            for row in rows
        ],
    }
