"""The demo is what strangers run first: it proves itself, and it is readable in a file."""

from __future__ import annotations

import dataclasses
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from examples import demo
from tests.examples.conftest import ROOT


def run_demo(tmp_path: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "examples.demo"],
        cwd=ROOT,
        env={**os.environ, "TMPDIR": str(tmp_path), **environment},
        capture_output=True,
        text=True,
        timeout=110,
        check=False,
    )


def test_the_demo_keeps_every_promise_on_each_engine(tmp_path: Path) -> None:
    done = run_demo(tmp_path)

    assert done.returncode == 0, done.stdout + done.stderr
    assert "✗" not in done.stdout
    assert done.stderr == ""
    engines = 2 if shutil.which("beanstalkd", path=os.environ["PATH"] + ":/usr/bin") else 1
    assert done.stdout.count("invoices in") == engines
    assert "\x1b" not in done.stdout


@pytest.mark.parametrize("scenario", demo.SCENARIOS, ids=lambda scenario: scenario.name)
def test_the_demo_believes_nothing_that_is_not_there(
    scenario: demo.Scenario, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    place = demo.Place(url=f"sqlite:///{tmp_path}/queue.db", folder=tmp_path / "out")
    # A worker that serves no queue of the scenario: everything is published, nothing is run.
    idle = dataclasses.replace(scenario, options=("-q", "nobody"))

    assert not demo.run_scenario(1, idle, place, patience=1.5)
    assert "✗" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("is_terminal", "no_colour", "expected"),
    [(True, "", "\x1b[32mgood\x1b[0m"), (True, "1", "good"), (False, "", "good")],
)
def test_colour_is_for_terminals_and_for_those_who_want_it(
    is_terminal: bool, no_colour: str, expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys.stdout, "isatty", lambda: is_terminal)
    monkeypatch.setenv("NO_COLOR", no_colour)
    monkeypatch.setenv("TERM", "xterm")

    assert demo.paint("green", "good") == expected
