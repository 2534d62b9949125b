"""A3: producers are killed in the middle of a publish, at a byte of the request or by the clock."""

from __future__ import annotations

import json
import subprocess
import sys

from tests.chaos.ending import integrity, leaves_nothing
from tests.chaos.row import ALL, BOTH, Row
from tests.chaos.trial import Trial
from tests.lab.cut import cutting
from tests.lab.place import Place
from tests.lab.processes import environment

# About five publishes: a request of beanstalkd's is 200 bytes or more, a commit of SQLite's writes
# whole pages.
MOST_BYTES = {"beanstalkd": 1_500, "beanstalkds": 1_500, "sqlite": 60_000, "postgresql": 3_000}
# So often the queue is looked at in between.
PARTS = 2


def act(trial: Trial) -> None:
    """Let one producer after another die, while a worker looks at what they leave."""
    place = trial.place()
    kills = trial.figures["kills"]
    with place.worker("--processes", "1") as worker:
        worker.ready()
        for _ in range(PARTS):
            _kill_some(trial, place, kills // PARTS)
            if trial.engine == "sqlite":
                found = integrity(place.folder / "queue.db")
                trial.must(found == "ok", f"the queue file is damaged: {found}")
        place.wait_until_all_done(patience=120)
        trial.must(worker.stop() == 0, "the worker ends well")
    _judge(trial, place, kills)


def _kill_some(trial: Trial, place: Place, kills: int) -> None:
    command = [sys.executable, "-m", "tests.lab.victims"]
    figures = [kills, trial.chosen.randrange(10**6), MOST_BYTES[trial.engine]]
    ended = subprocess.run(
        [*command, *map(str, figures)],
        cwd=place.folder,
        env=environment(place.url, place.ledger.folder, **cutting()),
        capture_output=True,
        text=True,
        check=False,
        timeout=kills * 2 + 60,
    )
    assert ended.returncode == 0, ended.stderr
    trial.must(not ended.stderr, f"producers met errors: {ended.stderr[:500]}")
    for how, times in json.loads(ended.stdout).items():
        trial.count(f"killed {how}", times)


def _judge(trial: Trial, place: Place, kills: int) -> None:
    died = trial.counted["killed at a byte"] + trial.counted["killed by the clock"]
    trial.must(died == kills // PARTS * PARTS, f"only {died} of {kills} were killed")
    with place.worker("--burst", "--processes", "1") as last:
        trial.must(last.wait(60) == 0, "a burst ends well")
    waiting = place.waiting()
    trial.must(not waiting, f"half a job is left: {waiting[:2]}")
    leaves_nothing(trial, place)
    attempted = {entry.id for entry in place.ledger.read("attempted")}
    accepted = {entry.id for entry in place.ledger.read("accepted")}
    trial.count("attempted and not accepted", len(attempted - accepted))
    trial.must(accepted, "some were accepted")
    trial.must(len(attempted - accepted) <= died, "one in doubt for each kill")
    trial.audit(place)
    begun = {entry.id for entry in place.ledger.read("begun")}
    # Some die when all is written and they have not heard so.
    trial.count("of these run", len(begun - accepted))
    trial.must(begun - accepted, "some in doubt were there")


ROWS = [
    Row(
        name="A3",
        says="kill -9 of producers inside a publish",
        passes="0 lost, no half job, at most one in doubt for each kill",
        act=act,
        engines=ALL,
        short_on=BOTH,
        needs=("compiler",),
        short={"kills": 100},
        full={"kills": 2_000},
    )
]
