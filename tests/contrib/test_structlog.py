"""The recipe of the documentation: structlog's lines beside the worker's, one JSON object each."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.docs.blocks import ROOT, blocks

RECIPE = next(
    block.text
    for block in blocks(ROOT / "docs" / "how-to" / "telemetry.md")
    if block.title == "logged.py"
)
MORE = """

@pulpo.job(type="async", queue="mail")
async def coroutine() -> None:
    log.warning("from a coroutine")


@pulpo.job(type="bad", retries=0)
def bad() -> None:
    import logging

    logging.getLogger("shop").warning("by logging")
    try:
        raise ValueError("two\\nlines")
    except ValueError:
        log.exception("failed")
    log.info("after it")


if __name__ == "__main__":
    log.info("outside of any run")
    welcome.delay(7)
    coroutine.delay()
    bad.delay()
"""


@pytest.fixture
def lines(tmp_path: Path) -> list[dict[str, object]]:
    """Return what a real worker writes with the recipe."""
    (tmp_path / "logged.py").write_text(RECIPE + MORE)
    worker = ["-m", "pulpo", "worker", "logged", "--burst", "--processes", "1"]
    told = ""
    for command in (["logged.py"], [*worker, "--threads", "1", "--log-format", "json"]):
        done = subprocess.run(
            [sys.executable, *command],
            cwd=tmp_path,
            env={"PULPO_URL": "sqlite:///q.db"},
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert done.returncode == 0, done.stderr
        told = done.stderr
    return [json.loads(line) for line in told.splitlines()]


def test_each_line_in_a_run_says_whose_it_is(lines: list[dict[str, object]]) -> None:
    outcomes = {line["type"]: line for line in lines if "duration" in line}
    logged = {line["event"]: line for line in lines if "duration" not in line}

    for event, type in (
        ("sent", "mail.welcome"),
        ("from a coroutine", "async"),
        ("failed", "bad"),
        ("log", "bad"),  # a line of `logging`, as the worker writes it
        ("after it", "bad"),
    ):
        for key in ("id", "type", "queue", "attempt"):
            assert logged[event][key] == outcomes[type][key], (event, key)
    assert logged["sent"]["user_id"] == 7
    assert logged["log"]["message"] == "by logging"


def test_every_line_has_its_time_and_level(lines: list[dict[str, object]]) -> None:
    assert len(lines) >= 9
    for line in lines:
        assert str(line["time"]).endswith("Z")
        assert str(line["level"]).lower() in ("info", "warning", "error")
