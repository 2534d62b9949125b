"""Periodic jobs from the first worker to the last: real processes, a file, the command line."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.command_line import CommandLine
from tests.lab.beanstalkd import Beanstalkd
from tests.lab.processes import children, until

TASKS = """
import os, time
import pulpo

def note(*words):
    with open("done", "a") as file:
        file.write(" ".join(map(str, words)) + "\\n")

@pulpo.job(type="beat", every="1s", missed="all")
def beat():
    note("beat", pulpo.current_job().tick.timestamp(), os.getpid())

@pulpo.job(type="report")
def report(of): note("report", of, pulpo.current_job().tick)

nine = dict(cron="0 9 * * mon-fri", tz="Europe/Zurich", overlap="skip")
pulpo.schedule(report, args={"of": "all"}, **nine)
"""


@pytest.fixture
def pulpo(tmp_path: Path) -> CommandLine:
    (tmp_path / "shop.py").write_text(TASKS)
    return CommandLine(tmp_path, f"sqlite:///{tmp_path}/queue.db")


@contextmanager
def worker(pulpo: CommandLine, *options: str) -> Iterator[subprocess.Popen[bytes]]:
    keep = {k: v for k, v in os.environ.items() if not k.startswith("PULPO")}
    with (pulpo.folder / "log").open("a") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "pulpo", "worker", "shop", *options],
            cwd=pulpo.folder,
            env={**keep, "PULPO_URL": pulpo.url},
            stderr=log,
        )
    try:
        yield process
    finally:
        process.terminate()
        assert process.wait(30) == 0


def shown(pulpo: CommandLine, name: str) -> dict[str, Any]:
    said = pulpo("schedules", "show", name, "--json")
    assert said.code in (0, 3), said.err
    found: dict[str, Any] = json.loads(said.out) if said.code == 0 else {}
    return found


def done(pulpo: CommandLine) -> list[list[str]]:
    path = pulpo.folder / "done"
    return [line.split() for line in path.read_text().splitlines()] if path.exists() else []


def test_each_tick_runs_once_over_processes_that_are_killed(pulpo: CommandLine) -> None:
    with worker(pulpo, "--processes", "4", "--threads", "1") as process:
        until(lambda: len(done(pulpo)) >= 2, "two ticks")
        for pid in children(process.pid)[:3]:
            os.kill(pid, signal.SIGKILL)
        until(lambda: len(done(pulpo)) >= 7, "five more")

    ticks = [float(tick) for _, tick, _ in done(pulpo)]
    assert max(Counter(ticks).values()) == 1
    assert sorted(ticks) == [ticks[0] + n for n in range(len(ticks))]


def test_an_operator_sees_and_steers_them(pulpo: CommandLine) -> None:
    assert pulpo("schedules", "list").err.startswith("no schedules")
    with worker(pulpo, "--processes", "2"):
        until(lambda: shown(pulpo, "beat").get("outcome"), "an outcome")
        beat, report = shown(pulpo, "beat"), shown(pulpo, "report")
        assert (beat["every"], beat["workers"], beat["outcome"]["outcome"]) == (1, 2, "success")
        assert (report["cron"], report["tz"]) == ("0 9 * * mon-fri", "Europe/Zurich")
        assert len(report["next"]) == 10
        coming = [datetime.fromisoformat(each) for each in report["next"]]
        assert all(each > datetime.now(each.tzinfo) and each.minute == 0 for each in coming)

        assert pulpo("schedules", "pause", "beat").code == 0
        assert shown(pulpo, "beat")["next"] == []
        before = shown(pulpo, "beat")["counts"]["published"]
        time.sleep(2.5)
        assert shown(pulpo, "beat")["counts"]["published"] == before
        assert pulpo("schedules", "resume", "beat").code == 0
        until(lambda: shown(pulpo, "beat")["counts"]["published"] > before, "it goes on")
        assert pulpo("schedules", "forget", "beat").code == 5

        run = pulpo("schedules", "run", "report")
        assert run.code == 0
        until(lambda: ["report", "all", "None"] in done(pulpo), "the job by hand")
        until(lambda: shown(pulpo, "report")["outcome"], "its outcome")
        assert shown(pulpo, "report")["outcome"]["id"] == run.out.strip()

    text = pulpo("schedules", "list").out
    assert "report" in text
    assert text.count("nobody") == 2
    assert pulpo("schedules", "forget", "report").code == 0
    assert pulpo("schedules", "show", "report").code == 3
    assert "did you mean 'beat'" in pulpo("schedules", "run", "bead").err


def test_without_overlap_a_run_by_hand_is_refused_while_one_waits(pulpo: CommandLine) -> None:
    with worker(pulpo, "--processes", "1"):
        until(lambda: shown(pulpo, "report"), "it is known")

    first, second = pulpo("schedules", "run", "report"), pulpo("schedules", "run", "report")

    assert (first.code, second.code) == (0, 5)
    assert first.out.strip() in second.err
    explained = pulpo("explain", first.out.strip())
    assert "(from schedule 'report', by hand)" in explained.out
    job = json.loads(pulpo("jobs", "show", first.out.strip(), "--json").out)
    assert job["schedule"] == {"name": "report", "tick": None}


SLOW = """
import time, pulpo

@pulpo.job(type="slow", every="1s", overlap="{overlap}", retries=1, backoff=0)
def slow():
    run = pulpo.current_job()
    with open("done", "a") as file:
        file.write(f"{{run.tick.timestamp():.0f}} {{run.attempt}} {{time.time()}} ")
        file.flush()
        time.sleep(1.3)
        file.write(f"{{time.time()}}\\n")
    if run.attempt == 1:
        raise OSError("once more")
"""


@pytest.mark.parametrize(
    ("engine", "overlap"),
    [
        ("file", "skip"),
        ("file", "queue"),
        ("beanstalkd", "skip"),
        ("beanstalkd", "queue"),
        ("postgresql", "queue"),
    ],
)
def test_no_tick_overlaps_with_the_last_one_nor_with_its_retries(
    engine: str, overlap: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    (tmp_path / "shop.py").write_text(SLOW.format(overlap=overlap))
    with ExitStack() as stack:
        url = f"sqlite:///{tmp_path}/queue.db"
        if engine == "beanstalkd":
            request.getfixturevalue("beanstalkd_program")
            server = stack.enter_context(Beanstalkd())
            url = f"{server.url}?side=sqlite:///{tmp_path}/side.db"
        if engine == "postgresql":
            url = request.getfixturevalue("postgresql_url")
        pulpo = CommandLine(tmp_path, url)
        with worker(pulpo, "--processes", "2", "--threads", "2"):
            until(lambda: len(done(pulpo)) >= 4, "two jobs, each with a retry", patience=40)
        told = shown(pulpo, "slow")

    runs = [[float(word) for word in words] for words in done(pulpo) if len(words) == 4]
    for (tick, attempt, _, ended), (following, again, began, _) in pairwise(runs):
        assert began >= ended
        assert (following, again) == (tick, 2) if attempt == 1 else following > tick
    assert told["counts"]["skipped"] >= 1
    assert told["counts"]["published"] >= len(runs) // 2
    if overlap == "queue":
        # The next one comes as soon as the last is done, and not only with the next tick.
        gaps = [b[2] - a[3] for a, b in pairwise(runs) if b[1] == 1]
        assert min(gaps) < 0.9, gaps


def test_a_burst_publishes_nothing(pulpo: CommandLine) -> None:
    assert pulpo("worker", "shop", "--burst", "--processes", "1").code == 0

    assert json.loads(pulpo("schedules", "list", "--json").out) == {"schedules": []}


def test_a_worker_on_beanstalkd_is_refused_without_a_place_to_agree(tmp_path: Path) -> None:
    (tmp_path / "shop.py").write_text(TASKS)
    pulpo = CommandLine(tmp_path, "beanstalkd://127.0.0.1:1")

    said = pulpo("worker", "shop", "--processes", "1", XDG_STATE_HOME=str(tmp_path))

    assert said.code == 2
    assert "?side=" in said.err


def test_schedules_of_the_settings_need_no_code(pulpo: CommandLine) -> None:
    (pulpo.folder / "pulpo.toml").write_text(
        '[schedules]\n"by.file" = { type = "report", every = "1s", args = { of = "file" } }\n'
    )
    with worker(pulpo, "--processes", "1"):
        until(lambda: any(words[:2] == ["report", "file"] for words in done(pulpo)), "a run")

    assert shown(pulpo, "by.file")["type"] == "report"


BROKEN = """
import pulpo

@pulpo.job(type="a", cron="61 * * * *", tz="Europe/Zurich", retries=3)
def a(): ...
@pulpo.job(type="b", every="1h", tz="UTC")
def b(): ...
@pulpo.job(type="c", every="1h")
def c(must): ...
@pulpo.job(type="d")
def d(must): ...
pulpo.schedule(d, args=(1, 2), every="1h", name="d.two")
pulpo.schedule("d", args={"other": 1}, every="1h", name="d.other")
pulpo.schedule("nobodys", every="1h")
pulpo.schedule(d, args=(1,), cron="0 0 * * * ", tz="Europe/Zurch", name="d.zone")
pulpo.schedule(d, args=(1,), cron="* * */20 * 1L", name="d.never")
pulpo.schedule(d, args=(1,), cron="0 0 1 1 *", name="d.good")
"""


def test_check_finds_each_schedule_that_is_nonsense(tmp_path: Path) -> None:
    (tmp_path / "broken.py").write_text(BROKEN)
    (tmp_path / "pulpo.toml").write_text(
        '[schedules]\nfile = { type = "d", evry = "1h" }\nnone = { type = "d" }\n'
    )
    pulpo = CommandLine(tmp_path, f"sqlite:///{tmp_path}/queue.db")

    said = pulpo("check", "broken", "--json")

    assert said.code == 1
    found = {error["type"]: error["error"] for error in json.loads(said.out)["errors"]}
    wanted = {
        "a": "cron '61 * * * *': bad minute",
        "b": "tz is for cron",
        "c": "pulpo.schedule(job, args=...)",
        "d.two": "too many positional arguments",
        "d.other": "missing a required argument: 'must'",
        "nobodys": "no handler for job type 'nobodys'",
        "d.zone": "did you mean 'Europe/Zurich'",
        "d.never": "never comes",
        "file": "unknown option 'evry'; did you mean 'every'?",
        "none": "neither is given",
    }
    assert found.keys() == wanted.keys()
    for name, words in wanted.items():
        assert words in found[name], (name, found[name])


def test_check_says_that_beanstalkd_needs_a_place_to_agree(tmp_path: Path) -> None:
    (tmp_path / "shop.py").write_text(TASKS)

    said = CommandLine(tmp_path, "beanstalkd://127.0.0.1:1")("check", "shop")

    assert said.code == 1
    assert "?side=" in said.out
