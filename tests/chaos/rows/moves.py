"""V1: a live queue moves to another engine, and the move is killed again and again."""

from __future__ import annotations

import json
import subprocess
import sys
import time

from tests.acceptance.command_line import CommandLine
from tests.chaos.row import BOTH, DURABLE, Row
from tests.chaos.trial import Trial
from tests.lab.place import Place
from tests.lab.processes import environment, until

THREADS = 8
# In seconds: `pulpo move` is ready for work after the first of them.
LIVES = (0.25, 0.7)
DELAYS = (2, 5, 12, 15)


def act(trial: Trial) -> None:
    """Fill the source, let a worker serve both, kill the move, and let the last one end it."""
    source = trial.place()
    target = _target(trial)
    jobs, kills = trial.figures["jobs"], trial.figures["kills"]
    source.published(source.produce(2, jobs * 2 // 5, "--batch=100", "--priorities=5,70000,65536"))
    not_before = _delayed(source, trial.figures["delayed"])
    buried = {source.pulpo.bury(queue="default", type="ledger.note") for _ in range(20)}
    more = source.produce(1, jobs // 5, "--batch=20", "--pause=0.02")
    serving = ("--processes", "1", "--threads", str(THREADS), "--also", source.url)
    worker = trial.stack.enter_context(target.worker(*serving))
    doubtful = 0
    for _ in range(kills):
        doubtful += _move_and_kill(trial, source, target, rate=max(200, jobs / kills / 0.3))
    source.published(more, patience=120)
    moved = _move(source, target)
    doubtful += moved["doubtful"]
    _everything_is_there(trial, source, target, buried)
    target.wait_until_all_done(patience=120)
    trial.must(worker.stop() == 0, "the worker of both ends well")
    trial.count("doubtful", doubtful)
    trial.must(moved["twice"] == 0, "no lease ran out")
    _none_is_early(trial, target, not_before)
    trial.audit(target, doubled=doubtful)


def _target(trial: Trial) -> Place:
    if trial.engine == "sqlite":
        server = trial.server()
        return trial.place_at(server.url, server)
    return trial.place_at(f"sqlite:///{trial.folder}/target.db")


def _delayed(source: Place, count: int) -> dict[str, float]:
    """Publish jobs with a delay; return for each the monotonic second before which it must wait."""
    not_before = {}
    with source.app() as app:

        @app.job(type="ledger.note")
        def note() -> None: ...

        for number in range(count):
            delay = DELAYS[number % len(DELAYS)]
            began = time.monotonic()
            job_id = note.schedule_in(delay).id
            not_before[job_id] = began + delay
            for kind in ("attempted", "accepted"):
                source.ledger.note(kind, job_id)
    return not_before


def _started(source: Place, target: Place, *options: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "pulpo", "move", source.url, target.url, "--json", *options],
        cwd=source.folder,
        env=environment(source.url, source.ledger.folder),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def _move_and_kill(trial: Trial, source: Place, target: Place, *, rate: float) -> int:
    """Kill a move; return what it has told as doubtful, where it had come to its end."""
    with _started(source, target, "--rate", str(rate)) as move:
        time.sleep(trial.chosen.uniform(*LIVES))
        trial.count("kills", move.poll() is None)
        move.kill()
        out, said = move.communicate()
    trial.must(not said, f"a move says {said!r}")
    return int(json.loads(out)["doubtful"]) if move.returncode == 0 else 0


def _move(source: Place, target: Place) -> dict[str, int]:
    move = _started(source, target, "--wait")
    out, said = move.communicate(timeout=120)
    assert move.returncode == 0, said
    moved: dict[str, int] = json.loads(out)
    return moved


def _everything_is_there(trial: Trial, source: Place, target: Place, buried: set[str]) -> None:
    left = source.stats()
    trial.must(
        not any(left[state] for state in ("ready", "delayed", "reserved", "buried")),
        f"nothing is left at the source: {left}",
    )
    listed = CommandLine(target.folder, target.url)("jobs", "list", "--state", "buried", "--json")
    there = [job["id"] for job in listed.lines]
    trial.must(sorted(there) == sorted(buried), "what was buried is buried, once")
    until(lambda: not target.stats()["delayed"], "the end of all delays", patience=30, pause=0.2)


def _none_is_early(trial: Trial, target: Place, not_before: dict[str, float]) -> None:
    early = [
        entry.id
        for entry in target.ledger.read("begun")
        if entry.at < not_before.get(entry.id, 0.0)
    ]
    trial.must(not early, f"{len(early)} delayed jobs ran early")


ROWS = [
    Row(
        name="V1",
        says="kill -9 of a move from this engine to another, which workers serve both",
        passes="0 lost, buried jobs stay so, no delay is cut, second runs at most as many as said",
        act=act,
        short={"jobs": 2_000, "kills": 5, "delayed": 40},
        full={"jobs": 100_000, "kills": 50, "delayed": 2_000},
        engines=DURABLE,
        short_on=BOTH,
    )
]
