"""F4: what a worker says cannot be written: its log is on a full disk, or a pipe nobody reads."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from tests.chaos.ending import leaves_nothing
from tests.chaos.row import BOTH, Row
from tests.chaos.trial import Trial
from tests.lab.disks import small_disk
from tests.lab.place import Place
from tests.lab.processes import children, environment, until
from tests.lab.sampler import sample

MODULE = "tests.chaos.scarce"
KINDS = ("ledger.note", "ledger.flaky", "scarce.talks")
MOST_CPU = 0.5


def act(trial: Trial) -> None:
    """Run jobs that talk, in a worker whose words go nowhere."""
    place = trial.place()
    with small_disk(trial.folder / "disk", size="64k") as disk:
        log = disk / "log"
        _fill(log)
        with log.open("ab") as full:
            _run(trial, place, full.fileno(), lambda: None)
        trial.must(log.stat().st_size >= 2**16, "the disk of the log was full")
    reading, writing = os.pipe()
    try:
        _run(trial, place, writing, lambda: os.close(reading))
    finally:
        os.close(writing)
    buried = place.stats()["buried"]
    trial.must(not buried, f"{buried} jobs were buried")
    leaves_nothing(trial, place)
    trial.audit(place, begun_again=2 * trial.figures["jobs"])


def _run(trial: Trial, place: Place, log: int, close: Callable[[], None]) -> None:
    """Run one worker that talks into `log`, which is broken by `close` while it works."""
    worker = subprocess.Popen(
        [sys.executable, "-m", "pulpo", "worker", MODULE, "--processes", "2", "--threads", "4"],
        cwd=place.folder,
        env=environment(place.url, place.ledger.folder),
        stdin=subprocess.DEVNULL,
        stdout=log,
        stderr=log,
        start_new_session=True,
    )
    try:
        place.published(place.produce(1, 20, "--type=scarce.talks"))
        place.wait_until_all_done()
        close()
        share = trial.figures["jobs"] // len(KINDS)
        place.published(
            [each for kind in KINDS for each in place.produce(1, share, f"--type={kind}")]
        )
        place.wait_until_all_done(patience=60)
        before = sample([worker.pid, *children(worker.pid)])
        until(lambda: sample([worker.pid]).at > before.at + 1, "a moment")
        after = sample([worker.pid, *children(worker.pid)])
        trial.must(after.cpu - before.cpu < MOST_CPU * (after.at - before.at), "it spins")
        worker.terminate()
        trial.must(worker.wait(30) == 0, "a worker without a log ends well")
        trial.count("workers without a log")
    finally:
        worker.kill()
        worker.wait(10)


def _fill(path: Path) -> None:
    with path.open("wb", buffering=0) as file:
        try:
            while True:
                file.write(bytes(1_024))
        except OSError:
            return


ROWS = [
    Row(
        name="F4",
        says="no room for a worker's log, or nobody who reads it",
        passes="jobs go on, nothing is buried, the worker ends with 0",
        act=act,
        engines=BOTH,
        needs=("small disk",),
        short={"jobs": 60},
        full={"jobs": 3_000},
    )
]
