"""A5: producers and workers on one queue file are killed; SQLite looks at it after each kill."""

from __future__ import annotations

import signal
import subprocess
import time

from tests.chaos.ending import end_well, integrity
from tests.chaos.row import Row
from tests.chaos.trial import Trial
from tests.lab.place import Place
from tests.lab.processes import WorkerProcess, until

PRODUCERS, WORKERS, THREADS = 4, 4, 4
OPTIONS = ("--processes", "1", "--threads", str(THREADS))
# A producer publishes so many jobs, unless it is killed before.
JOBS = 400


def act(trial: Trial) -> None:
    """Kill one of eight, check the file, start another in its place; again and again."""
    place = trial.place()
    file = place.folder / "queue.db"
    workers = [_start(trial, place) for _ in range(WORKERS)]
    producers = [_produce(trial, place) for _ in range(PRODUCERS)]
    until(lambda: place.ledger.count("begun"), "the first job", patience=60)
    kills = trial.figures["kills"]
    for kill in range(kills):
        time.sleep(trial.chosen.uniform(0.02, 0.15))
        spot = kill % 4
        if trial.chosen.random() < 0.5:
            _kill_worker(trial, place, workers, spot)
        else:
            _kill_producer(trial, producers[spot])
        found = integrity(file)
        trial.must(found == "ok", f"the file is damaged after {kill + 1} kills: {found}")
        for n, producer in enumerate(producers):
            if producer.poll() is not None:
                _must_have_ended_well(trial, producer)
                producers[n] = _produce(trial, place)
    for producer in producers:
        _must_have_ended_well(trial, producer)
    end_well(trial, place, workers, patience=300)
    trial.must(integrity(file) == "ok", "the file is whole in the end")
    trial.must(trial.counted["producers killed"] > kills // 5, "producers were killed")
    hits = trial.counted["processes killed"] + trial.counted["workers killed"]
    trial.must(hits > kills // 5, "workers were killed")
    trial.audit(place, doubled=hits * THREADS)


def _start(trial: Trial, place: Place) -> WorkerProcess:
    return trial.stack.enter_context(place.worker(*OPTIONS))


def _produce(trial: Trial, place: Place) -> subprocess.Popen[str]:
    batch = trial.chosen.choice((1, 1, 7))
    # A job takes longer than what a process would take ahead: it holds no more than its threads.
    (producer,) = place.produce(1, JOBS, f"--batch={batch}", "--seconds=0.011", "--pause=0.005")
    trial.stack.callback(producer.kill)
    return producer


def _kill_worker(trial: Trial, place: Place, workers: list[WorkerProcess], spot: int) -> None:
    """Kill a worker's process; where it has none just now, the worker."""
    if trial.chosen.random() < 0.7 and workers[spot].strike(trial.chosen):
        trial.count("processes killed")
        return
    workers[spot].kill()
    trial.count("workers killed")
    workers[spot] = _start(trial, place)


def _kill_producer(trial: Trial, producer: subprocess.Popen[str]) -> None:
    if producer.poll() is None:
        producer.kill()
        trial.count("producers killed")


def _must_have_ended_well(trial: Trial, producer: subprocess.Popen[str]) -> None:
    producer.communicate(timeout=120)
    code = producer.returncode
    trial.must(code in (0, -signal.SIGKILL), f"a producer ended with {code}")


ROWS = [
    Row(
        name="A5",
        says="kill -9 of everybody on one file",
        passes="0 lost, integrity ok after each kill, no lock and no orphan left over",
        act=act,
        engines=("sqlite",),
        short={"kills": 25},
        full={"kills": 1_000},
    )
]
