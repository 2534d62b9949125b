"""The benchmark runs, small: every row is there, every ratio is a number. No time is judged."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from bench.measures import MEASURES
from bench.table import as_json, render
from bench.timing import PULPO, Row, alternate, rows

ROOT = Path(__file__).parents[2]


def bench(module: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", module, *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )


def expected(engines: Sequence[str]) -> list[tuple[str, str, str]]:
    return [
        (measure.name, engine, against)
        for measure in MEASURES
        for engine, loops in measure.bare.items()
        if engine in engines
        for against in loops
    ]


def check(engines: Sequence[str], file: Path) -> None:
    done = bench("bench", "--engine", engines[0], "--n", "20", "--rounds", "1", "--json", str(file))

    assert done.returncode == 0, done.stderr
    found = json.loads(file.read_text(encoding="utf-8"))["rows"]
    named = [(row["measure"], row["engine"], row["against"]) for row in found]
    assert list(dict.fromkeys(named)) == expected(engines)
    for row in found:
        assert math.isfinite(row["ratio"])
        assert row["ratio"] > 0
    lines = done.stdout.splitlines()[2:]
    for row, line in zip(found, lines, strict=False):
        assert line.split()[:3] == [row["measure"], row["engine"], f"{row['ratio']:.2f}"]
        assert line.endswith(row["against"])


def test_every_measure_of_the_file_queue_is_printed_with_its_ratio(tmp_path: Path) -> None:
    check(["sqlite", "sqlite?sync=normal"], tmp_path / "samples.json")


@pytest.mark.usefixtures("beanstalkd_program")
def test_every_measure_of_beanstalkd_is_printed_with_its_ratio(tmp_path: Path) -> None:
    check(["beanstalkd"], tmp_path / "samples.json")


def test_every_measure_in_memory_is_printed_with_its_ratio(tmp_path: Path) -> None:
    check(["memory"], tmp_path / "samples.json")


@pytest.mark.parametrize("engine", ["memory", "sqlite"])
def test_an_adapter_is_measured_by_itself(engine: str) -> None:
    done = bench("bench.loop", engine, "--n", "300", "--rounds", "1")

    assert done.returncode == 0, done.stderr
    assert [line.split()[0] for line in done.stdout.splitlines()[2:]] == ["adapter", "adapter"]


def test_an_unknown_measure_is_refused_by_name() -> None:
    done = bench("bench", "publich")

    assert done.returncode == 2
    assert "no measure is called 'publich'" in done.stderr


def test_loops_take_turns_and_none_always_comes_first() -> None:
    turns: list[str] = []
    loops = {
        PULPO: lambda: turns.append("pulpo") or {"jobs/s": 1.0},
        "bare": lambda: turns.append("bare") or {"jobs/s": 2.0},
    }

    samples = alternate(loops, 2, lambda text: None)

    assert turns == ["pulpo", "bare", "bare", "pulpo"]
    (row,) = rows("publish", "memory", 1, samples)
    assert row.ratios == [0.5, 0.5]


def test_a_ratio_says_more_is_better_for_times_too() -> None:
    row = Row(
        measure="latency",
        engine="memory",
        metric="p50 ms",
        against="bare",
        n=1,
        pulpo=[0.4, 0.2, 0.8],
        bare=[0.2, 0.2, 0.2],
    )

    assert row.ratios == [0.5, 1.0, 0.25]
    assert "0.50 (0.25-1.00)" in render([row])
    assert as_json([row], {})["rows"][0]["pulpo"] == [0.4, 0.2, 0.8]
