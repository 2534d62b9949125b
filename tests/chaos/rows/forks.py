"""O2: programs and handlers fork with the queue open; children publish, and nobody's job is taken.

The socket that is a lease must not live on in a child: else the job of a dead worker stays held.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import pulpo
from tests.chaos.row import ALL, BOTH, Row
from tests.chaos.trial import Trial
from tests.lab.place import Place
from tests.lab.processes import environment, is_alive, until

MODULE = "tests.chaos.forking"


def act(trial: Trial) -> None:
    """Fork in a producer, then in handlers, then kill a worker whose handler's child lives on."""
    place = trial.place()
    _producer_forks(trial, place)
    _handlers_fork(trial, place)
    trial.audit(place)
    trial.must(not place.waiting(), "nothing is left in the queue")
    _child_outlives_its_worker(trial, place)


def _producer_forks(trial: Trial, place: Place) -> None:
    rounds = trial.figures["rounds"]
    done = subprocess.run(
        [sys.executable, "-W", "error", "-m", "tests.lab.forker", str(rounds)],
        cwd=place.folder,
        env=environment(place.url, place.ledger.folder),
        capture_output=True,
        text=True,
        timeout=1_200,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", ""), done.stderr[-2_000:]
    trial.count("rounds of forks", rounds)


def _handlers_fork(trial: Trial, place: Place) -> None:
    count = trial.figures["rounds"]
    with place.app() as app:
        for _ in range(count):
            message = pulpo.Message(type="forking.publishes", body={})
            place.ledger.note("attempted", message.id)
            place.ledger.note("accepted", app.publish(message).id)
    with place.worker(module=MODULE) as worker:
        # Each of these handlers has a child, and the child publishes a job.
        wanted = place.ledger.count("accepted") + count
        until(lambda: place.ledger.count("accepted") >= wanted, "what the children publish")
        place.wait_until_all_done(patience=120)
        trial.must(not worker.said("died"), "no process died")
        trial.must(worker.stop() == 0, "the worker ends well")
    trial.count("handlers that forked", count)


def _child_outlives_its_worker(trial: Trial, place: Place) -> None:
    with place.app() as app:
        app.publish(pulpo.Message(type="forking.lingers", body={}))
    begun = place.ledger.count("begun")
    with place.worker("--processes", "1", module=MODULE) as worker:
        place.wait_for("begun", begun + 1)
        child = place.ledger.read("begun")[-1].facts["child"]
        try:
            orphans = worker.kill()
            until(lambda: not any(map(is_alive, orphans)), "the end of the worker")
            until(lambda: place.stats()["ready"] == 1, "its job is given back")
            trial.must(is_alive(child), "although the child lives on, in a session of its own")
        finally:
            os.kill(child, signal.SIGKILL)


ROWS = [
    Row(
        name="O2",
        says="forks of producers and of handlers",
        passes="0 lost, 0 twice, parent and children publish, no child holds a job",
        engines=ALL,
        short_on=BOTH,
        act=act,
        short={"rounds": 13},
        full={"rounds": 100},
    )
]
