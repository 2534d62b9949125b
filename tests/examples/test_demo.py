"""The demo is what strangers run first: it proves itself, and it is readable in a file."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

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
