"""No seat of an operator shows a secret, unless that is asked for."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.acceptance.command_line import CommandLine
from tests.lab.beanstalkd import Beanstalkd

SECRET = "hunter2-of-the-test"
IBAN = "DE02120300000000202051"
TASKS = """
import pulpo

@pulpo.job(type="login", queue="mail", retries=0)
def login(user, password, iban=""):
    raise ValueError(f"no {user} with {password!r} and {iban}")
"""


@pytest.fixture(params=["file", "beanstalkd"])
def cli(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[CommandLine]:
    (tmp_path / "shop.py").write_text(TASKS)
    if request.param == "file":
        yield CommandLine(tmp_path, f"sqlite:///{tmp_path}/queue.db")
        return
    request.getfixturevalue("beanstalkd_program")
    with Beanstalkd() as server:
        yield CommandLine(tmp_path, server.url)


def publish(cli: CommandLine) -> str:
    body = json.dumps({"user": "ada", "password": SECRET, "iban": IBAN})
    said = cli("publish", "login", body, "-q", "mail")
    assert said.code == 0, said.err
    return said.out.strip()


def worked(cli: CommandLine, *options: str) -> str:
    """Let a worker bury the job, and return its log."""
    said = cli("worker", "shop", "-q", "mail", "--burst", "--processes", "1", *options)
    assert said.code == 0, said.err
    return said.err


def test_no_command_shows_a_secret(cli: CommandLine) -> None:
    job = publish(cli)
    shown = [
        cli("jobs", "list", "--json").out,
        cli("jobs", "show", job).out,
        worked(cli),
        cli("jobs", "list").out,
        cli("jobs", "show", job).out,
        cli("jobs", "show", job, "--json").out,
        cli("explain", job).out,
        cli("explain", job, "--json").out,
        cli("replay", job, "shop").out,
    ]

    assert all("ada" in text or "[hidden]" in text for text in shown), shown
    assert SECRET not in "".join(shown)
    assert IBAN in shown[1], "which nobody has said to be secret"


@pytest.mark.parametrize("format", ["text", "json"])
def test_the_log_of_a_worker_tells_no_secret(cli: CommandLine, format: str) -> None:
    publish(cli)

    log = worked(cli, "--log-format", format)

    assert "no ada with '[hidden]' and " + IBAN in log
    assert SECRET not in log


def test_secrets_can_be_asked_for(cli: CommandLine) -> None:
    job = publish(cli)

    assert SECRET in cli("jobs", "show", job, "--reveal").out
    assert SECRET in cli("jobs", "list", "--json", "--reveal").out
    worked(cli)
    assert SECRET in cli("explain", job, "--reveal").out
    assert SECRET in cli("replay", job, "shop", "--reveal").out


def test_more_names_are_hidden_on_demand(cli: CommandLine) -> None:
    job = publish(cli)

    shown = cli("jobs", "show", job, "--redact", "iban").out

    assert IBAN not in shown
    assert SECRET not in shown


def test_the_settings_file_says_what_is_hidden(cli: CommandLine) -> None:
    (cli.folder / "pulpo.toml").write_text('redact = ["ib*"]')
    job = publish(cli)

    shown = cli("jobs", "show", job).out
    config = json.loads(cli("config", "show", "--json").out)
    log = worked(cli)

    for text in (shown, log):
        assert IBAN not in text
        assert SECRET in text
    assert config["redact"] == {"value": ["ib*"], "source": str(cli.folder / "pulpo.toml")}
    (cli.folder / "pulpo.toml").write_text('redact = "password"')
    said = cli("jobs", "show", job)
    assert said.code == 2
    assert "redact must be a list of names" in said.err


def test_nothing_but_the_eye_misses_a_secret(cli: CommandLine) -> None:
    job = publish(cli)

    where = cli("jobs", "list", "--where", f"body.password={SECRET}", "--json").out

    assert json.loads(where)["id"] == job, "a filter compares what is there"
    assert json.loads(where)["body"]["password"] == "[hidden]"


def test_jobs_that_arrive_are_shown_without_secrets(cli: CommandLine) -> None:
    keep = {k: v for k, v in os.environ.items() if not k.startswith("PULPO")}
    command = [sys.executable, "-m", "pulpo", "jobs", "tail", "--json", "--interval", "0.1s"]
    tail = subprocess.Popen(
        command,
        cwd=cli.folder,
        env={**keep, "PULPO_URL": cli.url},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert tail.stderr is not None
        assert tail.stdout is not None
        assert "waiting for jobs" in tail.stderr.readline()
        time.sleep(0.3)
        job = publish(cli)
        line = tail.stdout.readline()
    finally:
        tail.send_signal(signal.SIGINT)
        tail.communicate(timeout=20)

    assert json.loads(line)["id"] == job
    assert SECRET not in line
