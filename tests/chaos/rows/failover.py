"""A6: the primary of two PostgreSQL nodes is killed under load, and the standby takes over."""

from __future__ import annotations

import time
from collections.abc import Callable

from tests.chaos.ending import end_well
from tests.chaos.row import Row
from tests.chaos.trial import Trial
from tests.lab.pair import Pair
from tests.lab.processes import until

WORKERS, PROCESSES, THREADS = 2, 2, 8
SLOTS = WORKERS * PROCESSES * (THREADS + 1)
OPTIONS = ("--processes", str(PROCESSES), "--threads", str(THREADS))
# Workers are at work again so soon after the standby has taken over.
BACK = 10.0
# What was settled in the last second may not have reached the standby, and is run again.
A_SECOND = 400


def act(trial: Trial) -> None:
    """Fail over again and again, each time to a node that has everything."""
    jobs, kills = trial.figures["jobs"], trial.figures["kills"]
    with Pair() as pair:
        place = trial.place_at(f"{pair.url}&create=1", pair.primary)
        place.published(place.produce(1, 1))
        workers = [trial.stack.enter_context(place.worker(*OPTIONS)) for _ in range(WORKERS)]
        for worker in workers:
            worker.ready()
        processes = {pid for worker in workers for pid in worker.children()}
        producers = place.produce(1, jobs // 2, "--seconds=0.01")
        producers += place.produce(1, jobs // 2, "--seconds=0.01", "--batch=10", "--pause=0.02")
        for kill in range(kills):
            place.wait_for("accepted", 1 + kill * jobs // (kills + 1), patience=300)
            time.sleep(trial.chosen.uniform(0, 0.2))
            pair.fail_over()
            trial.count("failovers")
            _must_work_again(trial, lambda: place.ledger.count("done"), most=jobs)
            pair.add_standby()
        said = place.published(producers, patience=300)
        place.wait_until_all_done(patience=300)
        now = {pid for worker in workers for pid in worker.children()}
        trial.must(now == processes, "a worker process has ended")
        place.server = pair.primary
        end_well(trial, place, workers, patience=300)
        met = {name for line in said for name in line["errors"]}
        documented = {"QueueUnavailableError", "PublishUncertainError"}
        trial.must(met <= documented, f"producers met {sorted(met)}")
        uncertain = sum(len(line["uncertain"]) for line in said)
        trial.count("uncertain publishes", uncertain)
        # Published again after it had been run: it may wait for a second run.
        doubled = kills * (SLOTS + A_SECOND) + uncertain
        trial.audit(place, doubled=doubled, cut_copies=uncertain)


def _must_work_again(trial: Trial, done: Callable[[], int], *, most: int) -> None:
    started, before = time.monotonic(), done()
    until(lambda: done() > min(before + 20, most), "work goes on", patience=60)
    took = time.monotonic() - started
    slowest = max(trial.counted["longest until back, in ms"], round(took * 1000))
    trial.counted["longest until back, in ms"] = slowest
    trial.must(took <= BACK, f"work went on {took:.1f} s after the standby had taken over")


ROWS = [
    Row(
        name="A6",
        says="failover to a standby",
        passes="0 lost, documented errors only, work goes on by itself within 10 s",
        act=act,
        engines=("postgresql",),
        short={"jobs": 400, "kills": 1},
        full={"jobs": 100_000, "kills": 50},
    )
]
