"""V2: one of several beanstalkds is killed, again and again, and comes back with what it had."""

from __future__ import annotations

import time

from tests.chaos.ending import end_well
from tests.chaos.row import Row
from tests.chaos.trial import Trial
from tests.lab.beanstalkd import Beanstalkd
from tests.lab.beanstalkds import Beanstalkds

THREADS = 4
SECONDS = 0.01


def act(trial: Trial) -> None:
    """Kill servers in turn while producers publish and workers run, then let them end it."""
    place = trial.place()
    servers = place.server
    assert isinstance(servers, Beanstalkds)
    jobs, kills = trial.figures["jobs"], trial.figures["kills"]
    producers = place.produce(2, jobs // 2, f"--seconds={SECONDS}", "--pause=0.002")
    options = ("--processes", "2", "--threads", str(THREADS))
    workers = [trial.stack.enter_context(place.worker(*options)) for _ in range(2)]
    for kill in range(kills):
        place.wait_for("done", kill * (jobs - 100) // kills, patience=120)
        _kill_and_restart(trial, trial.chosen.choice(servers.servers))
    told = place.published(producers, patience=300)
    uncertain = sum(len(each["uncertain"]) for each in told)
    trial.count("publishes without an answer", uncertain)
    end_well(trial, place, workers, patience=300)
    # What ran on a server that died is ready there once it is back, and what had no answer may be
    # on one server and, sent again, on another.
    again = kills * 2 * 2 * THREADS + uncertain
    trial.audit(place, doubled=again, cut_copies=uncertain)


def _kill_and_restart(trial: Trial, server: Beanstalkd) -> None:
    server.kill()
    trial.count("kills")
    # The others go on meanwhile: nobody waits for the dead one.
    time.sleep(trial.chosen.uniform(0.1, 0.8))
    server.start()


ROWS = [
    Row(
        name="V2",
        says="kill -9 and restart of one of three beanstalkds",
        passes="0 lost, everybody goes on with the others, second runs at most what was held",
        act=act,
        short={"jobs": 1_500, "kills": 5},
        full={"jobs": 60_000, "kills": 200},
        engines=("beanstalkds",),
    )
]
