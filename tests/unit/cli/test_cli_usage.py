"""What is refused before anything is opened: wrong words, wrong values."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from pulpo.cli import run

NOWHERE = "beanstalkd://127.0.0.1:1"  # nobody listens: whoever connected would exit 4, not 2


@pytest.fixture(autouse=True)
def somewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PULPO_URL", NOWHERE)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["stat"], "did you mean 'stats'?"),
        (["kick"], "did you mean 'jobs kick'?"),
        (["jobs", "shwo"], "did you mean 'show'?"),
        (["stats", "--jsn"], "--json"),
        (["stats", "no such queue"], "queue must be 1 to 200 of"),
        (["stats", "-x"], "-x"),
        (["jobs", "list", "--state", "bured"], "'buried'"),
        (["jobs", "list", "--limit", "0"], "0"),
        (["jobs", "show"], "'ID'"),
        (["jobs", "show", "a b"], "id must be 1 to 64 printable ASCII"),
        (["jobs", "kick"], "give ids, or --all with -q QUEUE"),
        (["jobs", "kick", "--all"], "give ids, or --all with -q QUEUE"),
        (["jobs", "kick", "--all", "-q", "mail", "x"], "give ids, or --all with -q QUEUE"),
        (["jobs", "kick", "x", "-q", "mail"], "give ids, or --all with -q QUEUE"),
        (["jobs", "delete"], "'ID...'"),
        (["pause", "mail", "--for", "soon"], "must be like '90s', '5m'"),
        (["pause", "mail", "--for", "0"], "must be more than 0"),
        (["pause"], "'QUEUE'"),
        (["publish"], "'TYPE'"),
        (["publish", "two words"], "type must be 1 to 200 printable"),
        (["publish", "t", "{"], "not JSON at line 1, column 2"),
        (["publish", "t", '{"a":\n  nope}'], "not JSON at line 2, column 3"),
        (["publish", "t", "NaN"], "JSON has no NaN"),
        (["publish", "t", "{}", "{}"], "{}"),
        (["publish", "t", "--priority", "-1"], "-1"),
        (["publish", "t", "--priority", "4294967296"], "4294967296"),
        (["publish", "t", "--delay", "-5m"], "must be like '90s', '5m'"),
        (["publish", "t", "--at", "tomorrow"], "must be like '2026-12-01T09:00+01:00'"),
        (["publish", "t", "--at", "2026-12-01T09:00"], "must say its time zone"),
        (["publish", "t", "--at", "2026-12-01T09:00Z", "--delay", "1"], "not both"),
        (["publish", "t", "--header", "tenant"], "must be like 'tenant=acme'"),
        (["publish", "t", "--header", "id=7"], "header 'id' is pulpo's own"),
        (["publish", "t", "--header", "a=1", "--header", "a=2"], "the same --header twice"),
        (["publish", "t", str(2**70)], "whole numbers must fit 64 bits"),
        (["publish", "t", "[" * 100 + "]" * 100], "nested deeper than 64"),
        (["publish", "t", "-q", "-mail"], "queue must be 1 to 200 of"),
        (["--url", "nowhere", "stats"], "a queue's URL is like"),
        (["--url", "redis://x", "stats"], "no engine for 'redis'"),
        (["worker"], "name a module"),
        (["worker", "tasks.py"], "write the module's name, 'tasks'"),
        (["worker", "a b"], "a module's name is like"),
        (["worker", "t", "--threads", "0"], "0"),
        (["worker", "t", "--processes", "0"], "0"),
        (["worker", "t", "--proceses", "1"], "--processes"),
        (["worker", "t", "--grace", "long"], "must be like '90s', '5m'"),
        (["worker", "t", "--log-format", "xml"], "'json'"),
        (["worker", "t", "-q", "no such queue"], "queue must be 1 to 200 of"),
    ],
)
def test_a_wrong_command_is_told_what_is_wrong_with_exit_code_2(
    arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    code = run(arguments)

    out, err = capsys.readouterr()
    assert (code, out) == (2, "")
    assert said in err
    assert "Traceback" not in err


@pytest.mark.parametrize("arguments", [[], ["--help"], ["jobs"], ["jobs", "-h"]])
def test_help_is_data_and_exits_0(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    code = run(arguments)

    out, err = capsys.readouterr()
    assert (code, err) == (0, "")
    assert out.startswith("Usage: pulpo")


VERBS = ["worker", "publish", "stats", "pause", "resume", "completion", "init"]
JOBS = ["list", "show", "kick", "delete", "move", "bury", "edit", "tail"]


@pytest.mark.parametrize("path", [*([verb] for verb in VERBS), *(["jobs", verb] for verb in JOBS)])
def test_the_help_of_each_verb_shows_an_example_of_it(
    path: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run([*path, "--help"]) == 0

    example = f"\n  pulpo {' '.join(path)} "
    assert example in capsys.readouterr().out.replace("pulpo stats\n", "pulpo stats \n")


def test_an_error_never_shows_the_password_of_a_url(capsys: pytest.CaptureFixture[str]) -> None:
    run(["--url", "redis://me:hunter2@host/?token=hunter3", "stats"])

    err = capsys.readouterr().err
    assert "hunter" not in err
    assert "redis://me:***@host" in err


def test_a_queue_in_memory_is_refused_with_exit_code_5(capsys: pytest.CaptureFixture[str]) -> None:
    codes = {
        run(["--url", "memory://", *verb])
        for verb in (["stats"], ["publish", "t"], ["worker", "t"])
    }

    assert {5} == codes
    assert "lives inside one process" in capsys.readouterr().err


@pytest.mark.parametrize(
    "arguments", [["stats"], ["jobs", "list"], ["publish", "t"], ["pause", "q"]]
)
def test_a_queue_out_of_reach_is_one_line_with_exit_code_4(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(arguments) == 4

    out, err = capsys.readouterr()
    assert out == ""
    assert len(err.splitlines()) == 1
    assert "127.0.0.1:1" in err


def test_the_operators_verbs_load_neither_user_code_nor_the_wrapper() -> None:
    heavy = "{'wrapt', 'asyncio', 'greenstalk', 'sqlite3', 'pulpo.app', 'pulpo.worker'}"
    code = (
        "import sys; from pulpo.cli import run; run(['stats', '--help']); "
        f"print(sorted({heavy} & set(sys.modules)), file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=30
    )

    assert done.stderr.strip() == "[]"
