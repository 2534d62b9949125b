"""`python -m bench` prints what it has found, as text, JSON and SVG, also without a terminal."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest

from bench.measures import MEASURES

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


def test_a_run_is_printed_and_written_with_its_goals(tmp_path: Path) -> None:
    file, plot = tmp_path / "samples.json", tmp_path / "plot.svg"
    done = bench(
        "bench", "publish", "publish_many", "--engine", "sqlite", "--n", "20", "--rounds", "2",
        "--json", str(file), "--plot", str(plot),
    )  # fmt: skip

    assert done.returncode == 0, done.stderr
    assert "[1/4] publish on sqlite\n" in done.stderr
    written = json.loads(file.read_text(encoding="utf-8"))
    lines = done.stdout.splitlines()
    assert len(written["rows"]) == 4
    for row, line in zip(written["rows"], lines[2:], strict=False):
        assert line.split()[:3] == [row["measure"], row["engine"], f"{row['ratio']:.2f}"]
        assert line.endswith(row["against"])
        assert len(row["pulpo"]) == len(row["bare"]) == len(row["ratios"]) == 2
    assert written["machine"]["cores"] == os.cpu_count()
    assert [(goal["measure"], goal["engine"]) for goal in written["goals"]] == [
        ("publish", "sqlite"),
        ("publish", "sqlite?sync=normal"),
        ("publish_many", "sqlite"),
    ]
    met = sum(goal["met"] for goal in written["goals"])
    assert f"{met} of 3 goals met" in lines
    assert lines[-1].startswith("not measured this time: drain, ")
    assert ElementTree.fromstring(plot.read_text(encoding="utf-8")).tag.endswith("svg")


def test_a_terminal_is_shown_a_bar() -> None:
    ours, theirs = pty.openpty()
    try:
        subprocess.run(
            [sys.executable, "-m", "bench", "publish", "--engine", "memory", "--rounds", "1"],
            cwd=ROOT,
            stdout=subprocess.DEVNULL,
            stderr=theirs,
            timeout=60,
            check=True,
        )
        shown = os.read(ours, 100_000).decode()
    finally:
        os.close(ours)
        os.close(theirs)

    assert "[1/1] publish on memory: pulpo, 1 of 1" in shown
    assert "2/2" in shown


def test_an_unknown_measure_is_refused_and_those_that_exist_are_named() -> None:
    done = bench("bench", "publich")

    assert done.returncode == 2
    assert "no measure is called 'publich'" in done.stderr
    assert all(measure.name in done.stderr for measure in MEASURES)


def test_the_help_names_every_measure() -> None:
    done = bench("bench", "--help")

    assert all(measure.about in done.stdout for measure in MEASURES)


def test_a_million_jobs_are_only_queued_when_asked_for() -> None:
    assert {measure.name for measure in MEASURES if measure.long} == {
        "million",
        "million_urgent",
        "delayed",
    }
    assert all(measure.n <= 50_000 for measure in MEASURES if not measure.long)


@pytest.mark.parametrize("engine", ["memory", "sqlite"])
def test_an_adapter_is_measured_by_itself(engine: str) -> None:
    done = bench("bench.loop", engine, "--n", "300", "--rounds", "1")

    assert done.returncode == 0, done.stderr
    assert [line.split()[0] for line in done.stdout.splitlines()[2:]] == ["adapter", "adapter"]
