"""The first minutes at the command line, in a folder where nothing was ever queued."""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.acceptance.command_line import CommandLine

TASKS = """
import pathlib
import pulpo

@pulpo.job(type="note")
def note(text):
    pathlib.Path("noted").write_text(text)

@pulpo.job(type="fail", retries=0)
def fail(reason):
    raise ValueError(reason)
"""

Pulpo = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture(params=["module", "script"])
def pulpo(request: pytest.FixtureRequest, tmp_path: Path) -> Pulpo:
    """`pulpo` as a module and as a script, in an empty folder, with no settings at all."""
    script = shutil.which("pulpo", path=str(Path(sys.executable).parent))
    assert script is not None
    command = [sys.executable, "-m", "pulpo"] if request.param == "module" else [script]
    keep = {name: value for name, value in os.environ.items() if not name.startswith("PULPO")}

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*command, *arguments],
            cwd=tmp_path,
            env=keep,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    return run


def test_a_job_goes_from_publish_to_its_handler_without_any_setting(
    pulpo: Pulpo, tmp_path: Path
) -> None:
    (tmp_path / "tasks.py").write_text(TASKS)

    published = pulpo("publish", "note", '{"text": "hello"}')
    worked = pulpo("worker", "tasks", "--burst", "--processes", "1")

    assert (published.returncode, published.stderr) == (0, "")
    assert worked.returncode == 0, worked.stderr
    assert (tmp_path / "noted").read_text() == "hello"
    assert pulpo("jobs", "list").stdout == ""


def test_a_failed_job_is_found_read_and_kicked(pulpo: Pulpo, tmp_path: Path) -> None:
    (tmp_path / "tasks.py").write_text(TASKS)
    job_id = pulpo("publish", "fail", '{"reason": "no \\u001b[2J paper"}').stdout.strip()
    pulpo("worker", "tasks", "--burst", "--processes", "1")

    shown = pulpo("jobs", "show", job_id)
    kicked = pulpo("jobs", "kick", job_id)

    assert "state     buried" in shown.stdout
    assert 'tasks.py", line 11, in fail' in shown.stdout
    assert "ValueError: no \\u001b[2J paper" in shown.stdout
    assert (kicked.returncode, kicked.stdout) == (0, "kicked 1 job\n")


def test_the_queue_file_of_the_first_publish_is_its_owners_alone(
    pulpo: Pulpo, tmp_path: Path
) -> None:
    pulpo("publish", "note", '{"text": "hello"}')

    folder, file = tmp_path / ".pulpo", tmp_path / ".pulpo" / "queue.db"
    assert (
        stat.S_IMODE(folder.stat().st_mode),
        stat.S_IMODE(file.stat().st_mode),
    ) == (0o700, 0o600)


def test_a_module_that_does_not_load_ends_the_worker_once_and_for_all(
    pulpo: Pulpo, tmp_path: Path
) -> None:
    (tmp_path / "broken.py").write_text("def f():\n    raise KeyError('nope')\n\nf()\n")

    said = pulpo("worker", "broken", "--processes", "2")

    assert (said.returncode, said.stdout) == (1, "")
    assert said.stderr.count("Traceback") == 1
    assert "/pulpo/" not in said.stderr
    assert "importlib" not in said.stderr
    assert said.stderr.splitlines()[-1] == "module 'broken' does not import: KeyError: 'nope'"


def test_a_module_that_is_not_there_is_one_line_with_exit_code_2(
    pulpo: Pulpo, tmp_path: Path
) -> None:
    (tmp_path / "tasks.py").touch()

    said = pulpo("worker", "taks", "--processes", "2")

    assert said.returncode == 2
    assert said.stderr == "pulpo: no module 'taks'; did you mean 'tasks'?\n"
    assert len(said.stderr.splitlines()) == 1


def test_the_version_is_told(pulpo: Pulpo) -> None:
    said = pulpo("--version")

    assert said.returncode == 0
    assert said.stdout.startswith("pulpo")


def test_a_settings_file_above_names_the_queue_for_every_folder_below(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text('[tool.pulpo]\nurl = "sqlite:///other.db"\n')
    below = tmp_path / "below"
    below.mkdir()

    CommandLine(below, "")("publish", "note")

    assert (tmp_path / "other.db").exists()
    assert list(below.iterdir()) == []
