"""A1: worker processes are killed in the middle of their jobs, and now and then a whole worker."""

from __future__ import annotations

import time

from tests.chaos.ending import end_well
from tests.chaos.row import ALL, DURABLE, Row
from tests.chaos.trial import Trial
from tests.lab.place import Place
from tests.lab.processes import WorkerProcess, is_alive, until

THREADS, PROCESSES = 8, 3
# A job takes longer than what a process would take ahead: it holds no more than its threads.
OPTIONS = ("--processes", str(PROCESSES), "--threads", str(THREADS))
SECONDS = 0.011
# The jobs of the dead are back within a second; as much again is room for a busy machine.
AT_ONCE = 1.0 + 1.0
FOLLOWS = 3.0


def act(trial: Trial) -> None:
    """Kill while producers publish and workers run, then let them end it."""
    place = trial.place()
    jobs, kills = trial.figures["jobs"], trial.figures["kills"]
    _hold_and_kill(trial, place)
    held = place.ledger.count("accepted")
    producers = place.produce(2, jobs // 2, f"--seconds={SECONDS}", "--batch=20")
    workers = [_start(trial, place) for _ in range(trial.figures["workers"])]
    for kill in range(kills):
        # By progress and not by time: there is always something to be killed in the middle of.
        place.wait_for("done", held + kill * (jobs - 50) // kills, patience=120)
        time.sleep(trial.chosen.uniform(0, 0.05))
        _strike(trial, place, workers)
    place.published(producers, patience=600)
    end_well(trial, place, workers, patience=600)
    trial.must(trial.counted["processes killed"] > kills // 2, "most kills hit a process")
    trial.must(trial.counted["workers killed"], "whole workers were killed")
    bound = trial.counted["processes killed"] + PROCESSES * trial.counted["workers killed"]
    trial.audit(place, doubled=bound * THREADS)


def _start(trial: Trial, place: Place) -> WorkerProcess:
    return trial.stack.enter_context(place.worker(*OPTIONS))


def _strike(trial: Trial, place: Place, workers: list[WorkerProcess]) -> None:
    """Kill one process, at every tenth time a whole worker."""
    struck = trial.counted["processes killed"] + trial.counted["workers killed"]
    if struck % 10 == 9:
        spot = trial.chosen.randrange(len(workers))
        _kill_worker(trial, workers[spot])
        workers[spot] = _start(trial, place)
        return
    until(lambda: trial.chosen.choice(workers).strike(trial.chosen), "a process to be killed")
    trial.count("processes killed")


def _kill_worker(trial: Trial, worker: WorkerProcess) -> None:
    orphans = worker.kill()
    trial.count("workers killed")
    until(lambda: not any(map(is_alive, orphans)), "the end of all orphans", patience=FOLLOWS)


def _hold_and_kill(trial: Trial, place: Place) -> None:
    """Kill a process, then a worker, that hold jobs; an idle one must begin these at once."""
    place.published(place.produce(1, PROCESSES * THREADS, "--type=ledger.gated"))
    with place.worker(*OPTIONS) as victim:
        place.wait_for("begun", PROCESSES * THREADS)
        with place.worker("--processes", "1", "--threads", "64") as idle:
            idle.ready()
            before = place.ledger.count("begun")
            trial.must(victim.strike(trial.chosen), "a process was killed")
            trial.count("processes killed")
            _must_be_back(trial, place, before + THREADS)
            before = place.ledger.count("begun")
            _kill_worker(trial, victim)
            # Those that the idle worker has taken in the first place are not for it to take again.
            _must_be_back(trial, place, before + (PROCESSES - 1) * THREADS)
            (place.ledger.folder / "gate").touch()
            place.wait_until_all_done()
            trial.must(idle.stop() == 0, "an idle worker ends well")


def _must_be_back(trial: Trial, place: Place, begun: int) -> None:
    started = time.monotonic()
    place.wait_for("begun", begun)
    took = time.monotonic() - started
    trial.count("longest until back, in ms", 0)
    slowest = max(trial.counted["longest until back, in ms"], round(took * 1000))
    trial.counted["longest until back, in ms"] = slowest
    trial.must(took <= AT_ONCE, f"the jobs of the dead were back after {took:.2f} s")


ROWS = [
    Row(
        name="A1",
        says="kill -9 of workers",
        passes="0 lost, 0 buried, 0 orphans, back within 1 s, second runs at most kills x slots",
        act=act,
        engines=ALL,
        short_on=DURABLE,
        short={"jobs": 2_500, "kills": 25, "workers": 2},
        full={"jobs": 100_000, "kills": 1_000, "workers": 4},
    )
]
