"""A project from nothing: `pulpo init`, `config show` and `completion`, as a newcomer uses them."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.acceptance.command_line import Said

FILES = {"tasks.py", "pyproject.toml", "README.md", ".gitignore"}


def run(folder: Path, *command: str, **environment: str) -> Said:
    keep = {k: v for k, v in os.environ.items() if not k.startswith(("PULPO", "_PULPO"))}
    done = subprocess.run(
        command,
        cwd=folder,
        env={**keep, **environment},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    return Said(done.returncode, done.stdout, done.stderr)


def pulpo(folder: Path, *arguments: str, **environment: str) -> Said:
    return run(folder, sys.executable, "-m", "pulpo", *arguments, **environment)


def test_a_new_project_works_as_it_is(tmp_path: Path) -> None:
    made = pulpo(tmp_path, "init", "My Shop")
    project = tmp_path / "My Shop"

    assert made.code == 0
    assert {path.name for path in project.iterdir()} == FILES
    assert run(project, sys.executable, "tasks.py").code == 0
    stats = json.loads(pulpo(project, "stats", "--json").out)["queues"]
    assert {name: found["ready"] for name, found in stats.items()} == {"default": 1, "mail": 1}
    # Two threads may print into one line.
    worker = pulpo(project, "worker", "tasks", "--burst", "--processes", "1", "--threads", "1")
    assert worker.code == 0
    assert set(worker.out.splitlines()) == {"Hello, world!", "mail to user 7 in de"}
    assert (project / ".pulpo" / "queue.db").exists()
    assert pulpo(project, "jobs", "list", "--json").out == ""


def test_the_current_folder_is_the_default(tmp_path: Path) -> None:
    assert pulpo(tmp_path, "init").code == 0
    assert {path.name for path in tmp_path.iterdir()} == FILES


@pytest.mark.parametrize("file", sorted(FILES))
def test_nothing_is_overwritten(tmp_path: Path, file: str) -> None:
    (tmp_path / file).write_text("mine\n")

    said = pulpo(tmp_path, "init")

    assert (said.code, said.out) == (5, "")
    assert file in said.err
    assert [path.name for path in tmp_path.iterdir()] == [file]
    assert (tmp_path / file).read_text() == "mine\n"


def test_a_new_project_uses_the_queue_that_was_given(tmp_path: Path) -> None:
    pulpo(tmp_path, "init", "shop", "--url", "beanstalkd://127.0.0.1:1")

    shown = json.loads(pulpo(tmp_path / "shop", "config", "show", "--json").out)

    assert shown["url"] == {
        "value": "beanstalkd://127.0.0.1:1",
        "source": str(tmp_path / "shop" / "pyproject.toml"),
    }


def test_a_new_project_with_an_impossible_queue_is_not_made(tmp_path: Path) -> None:
    assert pulpo(tmp_path, "init", "shop", "--url", "redis://x").code in (2, 5)
    assert list(tmp_path.iterdir()) == []


def shown_url(folder: Path, *arguments: str, **environment: str) -> dict[str, str]:
    said = pulpo(folder, *arguments, "config", "show", "--json", **environment)
    assert said.code == 0
    found = json.loads(said.out)["url"]
    assert isinstance(found, dict)
    return found


def test_each_setting_says_where_it_comes_from(tmp_path: Path) -> None:
    default = shown_url(tmp_path)
    file = tmp_path / "pulpo.toml"
    file.write_text('url = "beanstalkd://file:1"\n\n[handlers]\n"a.b" = "shop:A"\n')

    assert default == {"value": "sqlite:///.pulpo/queue.db", "source": "default"}
    assert shown_url(tmp_path) == {"value": "beanstalkd://file:1", "source": str(file)}
    assert shown_url(tmp_path, PULPO_URL="beanstalkd://env:1") == {
        "value": "beanstalkd://env:1",
        "source": "PULPO_URL",
    }
    given = shown_url(tmp_path, "--url", "beanstalkd://arg:1", PULPO_URL="beanstalkd://env:1")
    assert given == {"value": "beanstalkd://arg:1", "source": "argument"}
    shown = json.loads(pulpo(tmp_path, "config", "show", "--json").out)
    assert shown["handlers"] == {"value": {"a.b": {"handler": "shop:A"}}, "source": str(file)}
    assert shown["settings"]["value"] == str(file)


def test_a_settings_file_without_a_url_leaves_the_default(tmp_path: Path) -> None:
    (tmp_path / "pulpo.toml").write_text('[handlers]\n"a.b" = "shop:A"\n')

    assert shown_url(tmp_path)["source"] == "default"


def test_no_secret_is_shown(tmp_path: Path) -> None:
    secrets = {
        "PULPO_URL": "beanstalkd://me:hunter2@host:1",
        "PULPO_SIGNING_KEYS": "hunter3,hunter4",
    }

    said = [pulpo(tmp_path, "config", "show", *more, **secrets) for more in ((), ("--json",))]

    assert [each.code for each in said] == [0, 0]
    assert "hunter" not in "".join(each.out + each.err for each in said)
    shown = json.loads(said[1].out)
    assert shown["signing_keys"] == {"value": 2, "source": "PULPO_SIGNING_KEYS"}


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_shell_gets_a_script_that_calls_pulpo(tmp_path: Path, shell: str) -> None:
    said = pulpo(tmp_path, "completion", shell)

    assert said.code == 0
    assert f"_PULPO_COMPLETE={shell}_complete" in said.out
    assert pulpo(tmp_path, "completion", SHELL=f"/bin/{shell}").out == said.out
    if program := shutil.which(shell):
        (tmp_path / "script").write_text(said.out)
        assert run(tmp_path, program, "-n", "script").code == 0


def test_a_shell_that_is_not_known_is_asked_for(tmp_path: Path) -> None:
    said = pulpo(tmp_path, "completion", SHELL="/bin/sh")

    assert (said.code, said.out) == (2, "")
    assert "bash, zsh, fish" in said.err


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("pulpo job", "jobs"),
        ("pulpo jobs mo", "move"),
        ("pulpo jobs kick --wh", "--where"),
        ("pulpo jobs list --state bur", "buried"),
        ("pulpo nothing x", ""),
    ],
)
def test_the_shell_is_told_what_may_follow(tmp_path: Path, words: str, expected: str) -> None:
    said = pulpo(
        tmp_path,
        _PULPO_COMPLETE="bash_complete",
        COMP_WORDS=words,
        COMP_CWORD=str(len(words.split()) - 1),
    )

    assert said.err == ""
    assert [line.partition(",")[2] for line in said.out.split()] == [expected] * bool(expected)
