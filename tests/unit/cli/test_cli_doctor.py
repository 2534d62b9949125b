"""What `pulpo doctor` prints and exits with, whatever the engine has found."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pulpo.adapters.memory import MemoryEngine
from pulpo.checkup import Finding, fault, note, ok, warning
from pulpo.cli import doctor, run
from pulpo.errors import QueueFullError, QueueUnavailableError, UnsupportedError

GOOD = ok("binlog", "on", "jobs survive")
ODD = note("pause", "one", "nobody runs it")
BAD = warning("log", "long\x1b[2J", "it grows", "look")
WORSE = fault("disk", "full", "nothing is accepted", "make room")


@pytest.fixture(autouse=True)
def somewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("PULPO_SIGNING_KEYS", raising=False)
    monkeypatch.setenv("PULPO_URL", "memory://")


class Patient(MemoryEngine):
    """An engine that finds what a test has told it."""

    findings: tuple[Finding, ...] = ()
    error: Exception | None = None

    def __init__(self) -> None:
        """Need no URL."""

    def examine(self, say: object) -> Iterator[Finding]:
        yield from self.findings
        if self.error is not None:
            raise self.error


def examined(
    monkeypatch: pytest.MonkeyPatch, *findings: Finding, error: Exception | None = None
) -> None:
    patient = Patient()
    patient.findings, patient.error = findings, error
    monkeypatch.setattr(doctor, "open_engine", lambda url: patient)


def as_json(capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    return found


@pytest.mark.parametrize(
    ("findings", "error", "code", "sum"),
    [
        ((GOOD, ODD), None, 0, "no faults, no warnings"),
        ((GOOD, BAD, BAD), None, 0, "2 warnings"),
        ((WORSE, BAD), None, 1, "1 fault, 1 warning"),
        ((GOOD,), QueueUnavailableError("gone"), 4, "1 fault"),
        ((WORSE,), QueueFullError("full"), 4, "2 faults"),
        ((), UnsupportedError("1.10"), 1, "1 fault"),
    ],
)
def test_it_exits_by_the_worst_that_it_found(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    findings: tuple[Finding, ...],
    error: Exception | None,
    code: int,
    sum: str,
) -> None:
    examined(monkeypatch, *findings, error=error)
    assert run(["doctor"]) == code
    assert capsys.readouterr().err.strip() == sum

    assert run(["doctor", "--json"]) == code
    assert as_json(capsys)["ok"] is (code == 0)


def test_a_person_reads_why_and_what_to_do_of_trouble_only(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    examined(monkeypatch, GOOD, BAD)
    run(["doctor"])

    assert capsys.readouterr().out.splitlines()[-4:] == [
        "ok       binlog        on",
        "warning  log           long\\u001b[2J",
        "         why: it grows",
        "         do:  look",
    ]


def test_json_says_everything_of_every_check(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    examined(monkeypatch, GOOD, WORSE)
    run(["doctor", "--json", "--url", "beanstalkd://host?token=abc"])

    said = as_json(capsys)
    assert list(said) == ["url", "ok", "checks"]
    assert said["url"] == "beanstalkd://host?token=***"
    assert said["checks"][-1] == {
        "name": "disk",
        "level": "fault",
        "found": "full",
        "why": "nothing is accepted",
        "do": "make room",
    }
    assert "abc" not in json.dumps(said)


def test_a_server_out_of_reach_is_a_check_too(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    examined(monkeypatch, GOOD, error=QueueUnavailableError("cannot reach it"))
    run(["doctor", "--json"])

    *_, kept, last = as_json(capsys)["checks"]
    assert kept["name"] == "binlog", "what was seen before is said all the same"
    assert (last["name"], last["level"], last["found"]) == ("reach", "fault", "cannot reach it")


@pytest.mark.parametrize(
    ("keys", "level", "found"),
    [
        (None, "note", "off"),
        ("secret", "ok", "on, 1 key"),
        ("new,old", "ok", "on, 2 keys: the first signs"),
        ("new,,old", "fault", "PULPO_SIGNING_KEYS must be keys, comma separated: one is empty"),
    ],
)
def test_signing_is_looked_at_and_no_key_is_shown(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    keys: str | None,
    level: str,
    found: str,
) -> None:
    if keys is not None:
        monkeypatch.setenv("PULPO_SIGNING_KEYS", keys)
    code = run(["doctor", "--json"])

    said = as_json(capsys)
    (check,) = [check for check in said["checks"] if check["name"] == "signing"]
    assert (check["level"], check["found"]) == (level, found)
    assert code == (level == "fault")
    assert "secret" not in json.dumps(said)


def test_a_queue_in_memory_says_what_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["doctor"]) == 0
    assert "the memory of one process" in capsys.readouterr().out


def test_an_engine_that_knows_nothing_of_itself_is_judged_by_its_counts(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    class Silent:
        def __init__(self, engine: MemoryEngine) -> None:
            self.admin = engine.admin
            self.adapter = engine.adapter

    from pulpo.adapters import open_engine
    from tests.adapters.sqlite.jobs import new, put

    engine = open_engine("memory://")
    put(engine.adapter(), new())
    admin = engine.admin()
    admin.pause("default")
    monkeypatch.setattr(doctor, "open_engine", lambda url: Silent(engine))

    assert run(["doctor", "--json"]) == 0
    levels = {check["name"]: check["level"] for check in as_json(capsys)["checks"]}
    assert levels == {"url": "ok", "signing": "note", "buried": "ok", "paused": "note"}


def test_a_spool_is_looked_at_also_while_the_queue_is_away(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    url = "beanstalkd://127.0.0.1:1?spool=waiting&spool_limit=9"

    assert run(["doctor", "--json", "--url", url]) == 4
    names = [check["name"] for check in as_json(capsys)["checks"]]
    assert names == ["url", "signing", "spool", "reach"]
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["doctor", "--url", "sqlite://host/x"], 2, "a file queue has no host"),
        (["doctor", "--url", "nosql://x"], 2, "no engine for 'nosql'"),
        (["doctor", "--salvage", "x.db"], 5, "only a file queue"),
        (["doctor", "mail"], 2, "unexpected extra argument"),
    ],
)
def test_a_wrong_call_is_refused(
    capsys: pytest.CaptureFixture[str], arguments: list[str], code: int, said: str
) -> None:
    assert run(arguments) == code
    assert said in capsys.readouterr().err


def test_a_wrong_url_says_where_it_was_found(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PULPO_URL", "nosql://x")

    assert run(["doctor"]) == 2
    assert "PULPO_URL: no engine" in capsys.readouterr().err


ROOT = Path(doctor.__file__).parents[2]
SOURCES = [Path(doctor.__file__), ROOT / "pulpo/checkup.py", *ROOT.glob("pulpo/adapters/*/*.py")]
NAMED = re.compile(r'\b(?:ok|note|warning|fault|_checked)\(\s*"([a-z-]+)"')
CHECKS = sorted({name for file in SOURCES for name in NAMED.findall(file.read_text("utf-8"))})


@pytest.mark.parametrize("name", CHECKS)
def test_every_check_is_in_the_reference(name: str) -> None:
    page = (ROOT / "docs/reference/cli.md").read_text(encoding="utf-8")
    rows = [row for row in page.splitlines() if row.startswith("| `")]

    assert any(f"`{name}`" in row.split("|")[1] for row in rows)
