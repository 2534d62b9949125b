"""C2: the power is cut, again and again: what was written to the queue file and not synced is gone.

With `sync=normal` accepted jobs may go too; that some do shows that something was lost at all.
"""

from __future__ import annotations

import subprocess
import sys
import time
from contextlib import ExitStack

from tests.chaos.ending import end_well, integrity
from tests.chaos.row import Row
from tests.chaos.trial import Trial
from tests.lab.lost_cache import LostCache
from tests.lab.place import Place
from tests.lab.processes import environment, until, users_of

# A worker syncs one commit a second; and the commit that it is at may take a while.
REPEATS = 2.0
SLOTS = 9


def act(trial: Trial) -> None:
    """Cut the power in the middle of puts, claims and settlements, and start again."""
    durable = trial.engine == "sync=full"
    place = trial.place_at(f"sqlite:///{trial.folder}/queue.db?{trial.engine}")
    cache = LostCache(trial.folder, trial.folder / "queue.db")
    cuts: list[float] = []
    for cycle in range(trial.figures["cycles"]):
        _work_until_the_cut(trial, place, cache, with_worker=cycle % 3 > 0)
        cuts.append(time.monotonic())
        lost = cache.lose(trial.chosen, some=cycle % 2 == 1)
        trial.count("pages lost", lost)
        trial.count("cuts that lost something", lost > 0)
        found = integrity(trial.folder / "queue.db")
        trial.must(found == "ok", f"the file is damaged after cut {cycle + 1}: {found}")
    trial.must(trial.counted["cuts that lost something"], "a cut has lost something")
    with place.worker() as last:
        if durable:
            end_well(trial, place, [last])
        else:
            last.ready()
            until(lambda: not place.waiting(), "all that is left is done")
            trial.must(last.stop() == 0, "the worker ends well")
    _judge(trial, place, cuts, durable=durable)


def _work_until_the_cut(trial: Trial, place: Place, cache: LostCache, *, with_worker: bool) -> None:
    accepted, done = place.ledger.count("accepted"), place.ledger.count("done")
    producers = [_produce(place, cache, batch) for batch in (1, 7)]
    with ExitStack() as ending:
        worker = place.worker("--processes", "1", "--threads", "8", **cache.environ)
        if with_worker:
            ending.enter_context(worker)
            place.wait_for("done", done + trial.chosen.randrange(1, 100))
        place.wait_for("accepted", accepted + trial.chosen.randrange(20, 200))
        time.sleep(trial.chosen.uniform(0, 0.02))
        for producer in producers:
            producer.kill()
        if with_worker:
            # Alone it syncs once a second: what it does meanwhile is there to be lost.
            time.sleep(trial.chosen.choice((0.0, 0.1, 0.2)))
            worker.kill()
    for producer in producers:
        producer.wait(10)
    until(lambda: not users_of(place.ledger.folder), "nobody uses the file any more")
    trial.count("cuts")


def _produce(place: Place, cache: LostCache, batch: int) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-m", "tests.lab.producer", "2000", f"--batch={batch}"],
        cwd=place.folder,
        env=environment(place.url, place.ledger.folder, **cache.environ),
        stdout=subprocess.DEVNULL,
    )


def _judge(trial: Trial, place: Place, cuts: list[float], *, durable: bool) -> None:
    if durable:
        ends = [entry.at for entry in place.ledger.read("done")]
        again = sum(any(cut - REPEATS < end <= cut for cut in cuts) for end in ends)
        trial.count("runs of the last moments", again)
        trial.audit(place, doubled=again + SLOTS * len(cuts))
        return
    lost = place.account().lost
    trial.count("accepted", place.account().accepted)
    trial.count("lost", len(lost))
    trial.must(lost, "without syncs a power cut loses jobs, or it was none")


ROWS = [
    Row(
        name="C2",
        says="power cuts: what was not synced is gone",
        passes="the file opens and is whole; 0 accepted jobs lost where publishes are synced",
        act=act,
        engines=("sync=full", "sync=normal"),
        needs=("compiler",),
        short={"cycles": 4},
        full={"cycles": 100},
    )
]
