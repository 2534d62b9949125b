"""Ratios, turns and spreads, without measuring anything."""

from __future__ import annotations

from bench.table import as_json, render
from bench.timing import PULPO, Row, alternate, rows


def row(metric: str, pulpo: list[float], bare: list[float]) -> Row:
    return Row(
        measure="latency",
        engine="memory",
        metric=metric,
        against="bare",
        n=1,
        pulpo=pulpo,
        bare=bare,
    )


def test_loops_take_turns_and_none_always_comes_first() -> None:
    turns: list[str] = []
    loops = {
        PULPO: lambda: turns.append("pulpo") or {"jobs/s": 1.0},
        "bare": lambda: turns.append("bare") or {"jobs/s": 2.0},
    }

    samples = alternate(loops, 2, lambda text: None)

    assert turns == ["pulpo", "bare", "bare", "pulpo"]
    (only,) = rows("publish", "memory", 1, samples)
    assert only.ratios == [0.5, 0.5]


def test_a_ratio_says_more_is_better_for_times_and_memory_too() -> None:
    assert row("p50 ms", [0.4, 0.2, 0.8], [0.2, 0.2, 0.2]).ratios == [0.5, 1.0, 0.25]
    assert row("MB", [40], [20]).ratios == [0.5]


def test_what_may_be_nothing_at_all_has_no_ratio() -> None:
    found = row("early", [0.0], [0.0])

    assert found.ratios == []
    assert render([found]).splitlines()[-1].split()[2] == "-"
    assert as_json([found], {})["rows"][0]["ratio"] is None


def test_a_row_is_printed_with_its_ratio_first_and_its_spread() -> None:
    found = row("p50 ms", [0.4, 0.2, 0.8], [0.2, 0.2, 0.2])

    assert render([found]).splitlines()[-1].split()[:4] == [
        "latency",
        "memory",
        "0.50",
        "(0.25-1.00)",
    ]
    assert as_json([found], {})["rows"][0]["pulpo"] == [0.4, 0.2, 0.8]
