"""I1: workers are stopped and started again under load, as deploys do it, in every way to say stop.

Jobs take up to three seconds, the grace is one: some are cut, and only those may begin twice.
"""

from __future__ import annotations

import signal
import subprocess
import time

from tests.chaos.row import ALL, DURABLE, Row
from tests.chaos.trial import Trial
from tests.lab.place import Place
from tests.lab.processes import WorkerProcess

THREADS, PROCESSES = 8, 2
SLOTS = THREADS * PROCESSES
GRACE = 1.0
OPTIONS = ("--processes", str(PROCESSES), "--threads", str(THREADS), "--grace", f"{GRACE:g}s")
# Long jobs are few, or nothing would get done between two deploys.
LENGTHS = (0.0, 0.01, 0.01, 0.02, 0.05, 0.1, 0.3, 3.0)
SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
# What a stop may take beyond the grace, and a second signal at all; with room for a busy machine.
AFTER_GRACE, AT_ONCE = 2.0, 1.0


def act(trial: Trial) -> None:
    """Restart two workers in turn while jobs are published, then let clean ones end it."""
    place = trial.place()
    wanted = trial.figures["restarts"]
    producers = _produce(place, wanted * 80)
    workers = [_start(trial, place) for _ in range(2)]
    for n in range(wanted):
        spot = n % 2
        time.sleep(trial.chosen.uniform(0.0, 0.4))
        _stop(trial, workers[spot])
        workers[spot] = _start(trial, place)
    place.published(producers, patience=600)
    place.wait_until_all_done(patience=120)
    # What had run and was not settled when a second signal struck is there again, and runs again.
    place.wait_until_empty(patience=120)
    codes = [worker.ready().stop(timeout=60) for worker in workers]
    trial.must(codes == [0, 0], f"workers ended with {codes}")
    _judge(trial, place)


def _judge(trial: Trial, place: Place) -> None:
    twice = trial.counted["stopped twice"]
    trial.must(twice and trial.counted["stopped"], "workers were told once, and told twice")
    # A handler that the grace has cut never comes to its end. Only one that a second signal has
    # ended may have, an instant before its word was heard.
    stops = twice + trial.counted["stopped"]
    trial.audit(place, doubled=twice * SLOTS, begun_again=stops * SLOTS)
    attempts = {entry.facts["attempt"] for entry in place.ledger.read("begun")}
    trial.must(attempts == {1}, f"attempts were spent: {attempts}")
    trial.must(place.stats()["buried"] == 0, "nothing was buried")


def _produce(place: Place, jobs: int) -> list[subprocess.Popen[str]]:
    share = max(jobs // len(LENGTHS), 8)
    return [
        producer
        for seconds in LENGTHS
        for producer in place.produce(
            1, share if seconds < 1 else share // 8, f"--seconds={seconds}", "--pause=0.02"
        )
    ]


def _start(trial: Trial, place: Place) -> WorkerProcess:
    return trial.stack.enter_context(place.worker(*OPTIONS)).ready()


def _stop(trial: Trial, worker: WorkerProcess) -> None:
    number = trial.chosen.choice(SIGNALS)
    twice = trial.chosen.random() < 0.2 or (
        not trial.counted["stopped twice"] and trial.counted["stopped"] >= 3
    )
    started = time.monotonic()
    if twice:
        worker.children()
        worker.send(number)
        time.sleep(0.2)  # sooner, and it would count as the same
        second = time.monotonic()
        if worker.runs():
            worker.send(signal.SIGTERM)
        code = worker.wait(30)
        trial.must(time.monotonic() - second <= AT_ONCE, "a second signal means now")
        trial.count("stopped twice")
    else:
        code = worker.stop(number, timeout=30)
        took = time.monotonic() - started
        trial.must(took <= GRACE + AFTER_GRACE, f"a stop by {number!r} took {took:.1f} s")
        trial.count("stopped")
    trial.must(code == 0, f"{number!r} was answered by exit code {code}")


ROWS = [
    Row(
        name="I1",
        says="rolling restarts under load",
        passes="exit 0 within the grace + 2 s, 0 lost, no attempt spent; only cut runs begin again",
        act=act,
        engines=ALL,
        short_on=DURABLE,
        short={"restarts": 5},
        full={"restarts": 100},
    )
]
