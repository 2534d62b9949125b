"""R1: workers whose jobs share three slots are killed; nobody ever runs beside three others."""

from __future__ import annotations

import os
import signal
import time

from tests.chaos.ending import end_well
from tests.chaos.row import ALL, BOTH, Row
from tests.chaos.trial import Trial
from tests.lab.crowd import SLOTS, most_at_once
from tests.lab.place import Place
from tests.lab.processes import WorkerProcess, is_alive, until

TASKS = "tests.lab.limited"
PROCESSES = 2
SECONDS = 0.03
# As many as a process has room for.
HELD = 8
# A dead worker's slot ends after 15 s, and somebody looks every 3 s whether one waits in vain.
COMES_BACK = 15.0 + 3.0 + 7.0


def act(trial: Trial) -> None:
    """Kill processes and workers in the middle of limited jobs, others beside them."""
    query = f"?side=sqlite:///{trial.folder}/side.db" if trial.on_beanstalkd else ""
    place = trial.place(query=query)
    jobs, kills = trial.figures["jobs"], trial.figures["kills"]
    killed: dict[int, float] = {}
    _all_slots_come_back(trial, place, killed)
    before = place.ledger.count("accepted")
    producer = place.produce(1, jobs, "--type=ledger.limited", f"--seconds={SECONDS}", "--batch=50")
    workers = [_start(trial, place) for _ in range(trial.figures["workers"])]
    for kill in range(kills):
        place.wait_for("done", before + kill * (jobs - 20) // kills, patience=120)
        time.sleep(trial.chosen.uniform(0, 0.05))
        _strike(trial, place, workers, killed)
    place.published(producer, patience=120)
    end_well(trial, place, workers, patience=300)
    most = most_at_once(place.ledger, killed)
    trial.count("at once, at most", most)
    trial.must(most == SLOTS, f"{most} ran at once, and {SLOTS} slots were there")
    hit = trial.counted["processes killed"] + PROCESSES * trial.counted["workers killed"]
    # On beanstalkd what is put aside is there twice for a moment, as what is retried is.
    copies = hit * HELD if trial.on_beanstalkd else 0
    trial.audit(place, doubled=hit * SLOTS + copies, cut_copies=copies)


def _start(trial: Trial, place: Place) -> WorkerProcess:
    return trial.stack.enter_context(_worker(place))


def _worker(place: Place) -> WorkerProcess:
    return place.worker("--processes", str(PROCESSES), module=TASKS)


def _strike(
    trial: Trial, place: Place, workers: list[WorkerProcess], killed: dict[int, float]
) -> None:
    """Kill one process, at every fifth time a whole worker."""
    spot = trial.chosen.randrange(len(workers))
    until(lambda: workers[spot].children(), "a process to be killed")
    struck = trial.counted["processes killed"] + trial.counted["workers killed"]
    if struck % 5 == 4:
        _kill_worker(trial, workers[spot], killed)
        workers[spot] = _start(trial, place)
        return
    pid = trial.chosen.choice(workers[spot].children())
    killed[pid] = time.monotonic()
    os.kill(pid, signal.SIGKILL)
    trial.count("processes killed")


def _kill_worker(trial: Trial, worker: WorkerProcess, killed: dict[int, float]) -> None:
    moment = time.monotonic()
    orphans = worker.kill()
    killed.update(dict.fromkeys(orphans, moment))
    trial.count("workers killed")
    until(lambda: not any(map(is_alive, orphans)), "the end of all orphans", patience=3.0)


def _all_slots_come_back(trial: Trial, place: Place, killed: dict[int, float]) -> None:
    """Kill the only worker while it has every slot: the next one has them soon, and not at once."""
    place.published(place.produce(1, SLOTS, "--type=ledger.limited", "--seconds=60"))
    with _worker(place) as first:
        place.wait_for("begun", SLOTS)
        _kill_worker(trial, first, killed)
    place.pulpo("jobs", "delete", *(job["id"] for job in place.waiting()))
    for entry in place.ledger.read("begun"):
        place.ledger.note("done", entry.id, attempt=0)  # deleted by hand, and not lost
    died = time.monotonic()
    place.published(place.produce(1, 1, "--type=ledger.limited"))
    with _worker(place) as second:
        place.wait_for("done", SLOTS + 1, patience=COMES_BACK)
        trial.count("until slots are back, in s", round(time.monotonic() - died))
        trial.must(second.stop() == 0, "a worker ends well")


ROWS = [
    Row(
        name="R1",
        says="kill -9 of workers with limited jobs",
        passes="never more than 3 at once, 0 lost, 0 buried, slots of the dead back within 25 s",
        act=act,
        engines=ALL,
        short_on=BOTH,
        short={"jobs": 150, "kills": 3, "workers": 4},
        full={"jobs": 6_000, "kills": 60, "workers": 4},
    )
]
