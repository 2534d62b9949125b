"""Q1: two versions of pulpo side by side on one queue, as in every rolling deploy.

The next version is this one with a step more in its wire format, or in the schema of its file. It
reads what both write; this version, which is the old one here, cannot read what the next one
writes: such a job waits for the worker that can, and spends nothing.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

from pulpo.adapters.sqlite.schema import STEPS
from pulpo.message import Message
from tests.chaos.row import ALL, BOTH, Row
from tests.chaos.trial import Trial
from tests.lab.place import Place
from tests.lab.processes import ROOT, environment, until

_ONE_PROCESS = ("--processes", "1")
_OUT_OF_REACH = 4

# In which file, what, and by what it is replaced. 2 on the wire is a signed job.
_NEXT_WIRE = [
    ("codec.py", "_ENVELOPE, _SIGNED = 1, 2", "_ENVELOPE, _SIGNED = 3, 2"),
    ("codec.py", "parts[0] != _ENVELOPE", "parts[0] not in (1, _ENVELOPE)"),
]
_NEXT_FILE = [
    (
        "adapters/sqlite/schema.py",
        "(_GUARD, _HOLDS, _GUARDS),",
        "(_GUARD, _HOLDS, _GUARDS), (_MORE,),",
    ),
    (
        "adapters/sqlite/schema.py",
        "# The n-th step makes",
        '_MORE = "CREATE TABLE IF NOT EXISTS more (name TEXT)"\n# The n-th step makes',
    ),
]


class _Version:
    """A version of pulpo: its processes have its folder first on their path."""

    def __init__(self, folder: Path, changes: list[tuple[str, str, str]]) -> None:
        shutil.copytree(
            ROOT / "pulpo", folder / "pulpo", ignore=shutil.ignore_patterns("__pycache__")
        )
        for name, old, new in changes:
            path = folder / "pulpo" / name
            text = path.read_text(encoding="utf-8")
            assert text.count(old) == 1, f"{old!r} is not once in {name}: write the change anew"
            path.write_text(text.replace(old, new), encoding="utf-8")
        self.environ = {"PYTHONPATH": os.pathsep.join([str(folder), str(ROOT)])}
        found = subprocess.run(
            [sys.executable, "-c", "import pulpo; print(pulpo.__file__)"],
            cwd=folder.parent,
            env={**os.environ, **self.environ},
            capture_output=True,
            text=True,
            check=True,
        )
        assert str(folder) in found.stdout, f"another pulpo would run: {found.stdout}"


def act(trial: Trial) -> None:
    """Deploy a new wire format, then a new schema where there is a file."""
    _change_the_wire(trial)
    if trial.engine == "sqlite":
        _change_the_file(trial)


def _change_the_wire(trial: Trial) -> None:
    place, count = trial.place(), trial.figures["jobs"]
    later = _Version(trial.folder / "next-wire", _NEXT_WIRE)
    with place.worker(*_ONE_PROCESS) as old:
        _publish(place, count)
        _publish(place, count, **later.environ)
        place.wait_for("done", count)
        # Each has met the old worker, who put it aside.
        until(lambda: _put_aside(old.text) >= count, f"{count} jobs put aside", pause=0.1)
        trial.must(place.ledger.count("begun") == count, "the old worker ran what it can read")
        trial.must(old.stop() == 0, "the old worker ended well")
    trial.count("jobs put aside", count)
    waiting = _listed(place, later)
    trial.must(len(waiting) == count, f"all of them wait: {len(waiting)} of {count}")
    trial.must(not [job for job in waiting if job["state"] == "buried"], "none is buried yet")
    if trial.figures["buried"]:
        _let_the_old_one_bury(trial, place, later)
    with place.worker(*_ONE_PROCESS, **later.environ) as new:
        _publish(place, count)
        _publish(place, count, "--type=ledger.flaky")
        _publish(place, count, **later.environ)
        place.wait_until_all_done(patience=90)
        trial.must(new.ready().stop() == 0, "the new worker ended well")
    _judge(trial, place, later)


def _put_aside(said: str) -> int:
    lines = [json.loads(line) for line in said.splitlines() if line.startswith("{")]
    return len({line["id"] for line in lines if "undecodable" in line.get("reason", "")})


def _let_the_old_one_bury(trial: Trial, place: Place, later: _Version) -> None:
    """Keep the old worker for too long: what nobody could read is buried, and a kick is enough."""
    with place.worker(*_ONE_PROCESS) as old:
        count = trial.figures["jobs"]
        until(lambda: place.stats()["buried"] == count, "all buried", patience=120, pause=0.5)
        trial.must(old.stop() == 0, "the old worker ended well")
    said = place.pulpo("jobs", "kick", "--all", "-q", "default", **later.environ)
    trial.must(said.code == 0, f"an operator can kick them: {said.err}")
    trial.count("jobs buried and kicked", count)


def _judge(trial: Trial, place: Place, later: _Version) -> None:
    account = place.account(kept=[job["id"] for job in _listed(place, later)])
    trial.complaints += account.complaints(begun_again=trial.figures["jobs"])
    trial.count("accepted", account.accepted)
    trial.must(account.done == account.accepted, "all were done")
    # One of each flaky job's two runs has failed by itself. Nothing else was spent on any.
    attempts = Counter(entry.facts["attempt"] for entry in place.ledger.read("done"))
    spent = {1: account.accepted - trial.figures["jobs"], 2: trial.figures["jobs"]}
    trial.must(attempts == spent, f"attempts that were spent: {attempts}, not {spent}")


def _change_the_file(trial: Trial) -> None:
    folder = trial.folder / "schema"
    folder.mkdir()
    place = Place(folder, f"sqlite:///{folder}/queue.db")
    trial.stack.callback(place.ledger.close)
    later = _Version(trial.folder / "next-file", _NEXT_FILE)
    _fill_an_old_file(place)
    before = Counter(job["state"] for job in place.waiting())
    trial.must(before == {"ready": 2, "delayed": 1, "buried": 1}, f"an old file: {before}")
    with place.worker("-q", "default", *_ONE_PROCESS) as old:
        place.wait_for("begun", 3)  # the gated job anew, and the fatal one that is buried
        trial.must(_version(place) == len(STEPS), "the file is of this version")
        _publish(place, 1, "--queues=young", **later.environ)
        trial.must(_version(place) == len(STEPS) + 1, "the next version has brought it up")
        _refused(trial, place)
        # Who had it open goes on: its job ends, and it takes others.
        (place.ledger.folder / "gate").touch()
        place.wait_for("done", 1)
        _publish(place, 5, **later.environ)
        place.wait_for("done", 6)
        trial.must(old.stop() == 0, "the old worker ended well")
    with place.worker("-q", "default", "-q", "young", *_ONE_PROCESS, **later.environ) as new:
        place.wait_for("done", 9)
        trial.must(new.ready().stop() == 0, "the new worker ended well")
    left = _listed(place, later)
    trial.must([job["state"] for job in left] == ["buried"], f"one is left: {left}")
    account = place.account(kept=[job["id"] for job in left])
    trial.complaints += account.complaints(begun_again=1)


def _fill_an_old_file(place: Place) -> None:
    """Leave a job in each state, one of them held by a worker that is dead."""
    _publish(place, 1, "--type=ledger.fatal")
    _publish(place, 1, "--type=ledger.gated")
    with place.worker(*_ONE_PROCESS) as worker:
        until(lambda: place.stats()["buried"] == 1, "a buried job", pause=0.1)
        place.wait_for("begun", 2)
        worker.kill()
    _publish(place, 1, "--queues=young")
    with place.app() as app:
        message = Message(type="ledger.note", body={}, delay="5s", queue="young")
        place.ledger.note("attempted", message.id)
        app.publish(message)
        place.ledger.note("accepted", message.id)


def _refused(trial: Trial, place: Place) -> None:
    """Who starts in the old version after that is refused in a sentence, and changes nothing."""
    for command in (("stats",), ("publish", "ledger.note", "{}"), ("worker", "--burst")):
        arguments = (*command, "tests.lab.tasks", "--processes", "1")
        said = place.pulpo(
            *(arguments if command[0] == "worker" else command),
            PYTHONPATH=str(ROOT),
            LEDGER=str(place.ledger.folder),
        )
        trial.must(said.code == _OUT_OF_REACH, f"{command[0]} is refused with 4: {said}")
        trial.must("newer pulpo" in said.err, f"{command[0]} says why: {said.err}")
        trial.count("refused")


def _publish(place: Place, count: int, *options: str, **environ: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tests.lab.producer", str(count), *options],
        cwd=place.folder,
        env=environment(place.url, place.ledger.folder, **environ),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def _listed(place: Place, version: _Version) -> list[dict[str, Any]]:
    said = place.pulpo("jobs", "list", "--limit", "100000", "--json", **version.environ)
    assert said.code == 0, said.err
    return said.lines


def _version(place: Place) -> int:
    # By a process of its own: to open the file here would be one more user of it.
    code = "import sqlite3, sys; print(sqlite3.connect(sys.argv[1]).execute('PRAGMA user_version')"
    path = str(place.folder / "queue.db")
    done = subprocess.run(
        [sys.executable, "-c", f"{code}.fetchone()[0])", path],
        capture_output=True,
        text=True,
        check=True,
    )
    return int(done.stdout)


ROWS = [
    Row(
        name="Q1",
        says="two versions on one queue",
        passes="run, or put aside unspent until the version comes that can; never lost",
        act=act,
        engines=ALL,
        short_on=BOTH,
        short={"jobs": 10, "buried": 0},
        full={"jobs": 1_000, "buried": 1},
    )
]
