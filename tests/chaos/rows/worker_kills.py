"""A1: worker processes are killed in the middle of their jobs, and now and then a whole worker."""

from __future__ import annotations

import os
import signal
from contextlib import ExitStack

from tests.chaos.row import Row
from tests.chaos.trial import Trial
from tests.lab.killer import Killer
from tests.lab.processes import WorkerProcess

THREADS, PROCESSES = 8, 3
# A job takes longer than what a process would take ahead: it holds no more than its threads.
OPTIONS = ("--processes", str(PROCESSES), "--threads", str(THREADS))
SECONDS = 0.011


def act(trial: Trial) -> None:
    """Kill while producers publish and workers run, then let a clean worker end it."""
    place = trial.place()
    producers = place.produce(2, trial.figures["jobs"] // 2, f"--seconds={SECONDS}", "--batch=20")
    workers: list[WorkerProcess] = []
    ends = trial.stack.enter_context(ExitStack())

    def start() -> WorkerProcess:
        return ends.enter_context(place.worker(*OPTIONS))

    workers = [start(), start()]

    def strike() -> bool:
        spot = trial.chosen.randrange(len(workers))
        if trial.chosen.random() < 0.1:
            workers[spot].kill()
            trial.count("workers killed")
            workers[spot] = start()
            return True
        there = workers[spot].children()
        if there:
            os.kill(trial.chosen.choice(there), signal.SIGKILL)
            trial.count("processes killed")
        return bool(there)

    with Killer(strike, trial.chosen, between=(0.05, 0.4), most=trial.figures["kills"]) as killer:
        place.published(producers, patience=3_600)
        place.wait_for("done", trial.figures["jobs"], patience=3_600)
    trial.must(killer.struck, "something was killed")
    place.wait_until_all_done(patience=120)
    codes = [worker.ready().stop() for worker in workers]
    trial.must(codes == [0, 0], f"workers ended with {codes}")
    bound = trial.counted["processes killed"] + PROCESSES * trial.counted["workers killed"]
    trial.audit(place, doubled=bound * THREADS)
    trial.must(place.stats()["buried"] == 0, "no job was buried that did nothing wrong")


ROWS = [
    Row(
        name="A1",
        says="kill -9 of workers",
        passes="0 lost, 0 buried, second runs at most kills x slots",
        act=act,
        short={"jobs": 3_000, "kills": 25},
        full={"jobs": 100_000, "kills": 1_000},
    )
]
