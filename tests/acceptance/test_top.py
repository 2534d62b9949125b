"""`pulpo top`: what it shows of real workers, and how it leaves a terminal."""

from __future__ import annotations

import os
import pty
import select
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from tests.lab.place import Place
from tests.lab.processes import environment, until

TASKS = """
import time
import pulpo

@pulpo.job(type="quick")
def quick() -> None:
    pass

@pulpo.job(type="slow")
def slow() -> None:
    time.sleep(60)

@pulpo.job(type="hopeless", retries=0)
def hopeless() -> None:
    raise ValueError("never")
"""


@pytest.fixture(autouse=True)
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    (tmp_path / "shop.py").write_text(TASKS)


def seen(place: Place) -> dict[str, Any]:
    said = place.pulpo("top", "--json")
    assert said.code == 0, said.err
    found: dict[str, Any] = said.lines[0]
    return found


def test_it_shows_rates_slots_and_types_of_real_workers(place: Place) -> None:
    for type in ("quick", "quick", "hopeless", "slow"):
        place.pulpo("publish", type)
    place.pulpo("publish", "quick", "--queue", "reports")
    arguments = ("--processes", "1", "--threads", "2", "--async-slots", "1", "--grace", "0")
    with place.worker(*arguments, module="shop") as worker:
        until(lambda: len(seen(place)["types"]) == 2, "both types that have ended")
        found = seen(place)
        text = place.pulpo("top").out
        worker.stop()

    assert found["workers"] == {"processes": 1, "busy": 1, "slots": 3}
    default, reports = found["queues"]["default"], found["queues"]["reports"]
    assert (default["reserved"], default["buried"], default["workers"]) == (1, 1, 1)
    assert default["rate"] > 0
    assert (reports["ready"], reports["workers"], reports["rate"]) == (1, 0, None)
    by_name = {line["type"]: line for line in found["types"]}
    assert (by_name["quick"]["runs"], by_name["quick"]["failed"]) == (2, 0)
    assert (by_name["hopeless"]["runs"], by_name["hopeless"]["failed"]) == (1, 1)
    assert "1 worker process, 1 of 3 slots busy" in text
    assert "no worker" in text
    assert text.index("slowest types") < text.index("most failing types")


def test_in_a_terminal_it_lives_until_q_and_leaves_no_trace(file_place: Place) -> None:
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "pulpo", "top", "--interval", "0.1s"]
    environ = environment(file_place.url, file_place.ledger.folder, TERM="xterm")
    process = subprocess.Popen(
        command, stdin=theirs, stdout=theirs, stderr=theirs, cwd=file_place.folder, env=environ
    )
    os.close(theirs)
    shown = b""
    try:
        end = time.monotonic() + 20
        while shown.count(b"q ends it") < 3 and time.monotonic() < end:
            if select.select([ours], [], [], 0.5)[0]:
                shown += os.read(ours, 65_536)
        os.write(ours, b"q")
        while b"\x1b[?1049l" not in shown and time.monotonic() < end:
            if select.select([ours], [], [], 0.5)[0]:
                shown += os.read(ours, 65_536)
        assert process.wait(timeout=10) == 0
    finally:
        process.kill()
        process.wait()
        os.close(ours)

    assert shown.startswith(b"\x1b[?1049h")
    assert shown.count(b"q ends it") >= 3
    assert b"default" in shown
