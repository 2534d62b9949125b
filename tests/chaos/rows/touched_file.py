"""O3: under load the queue's file is read, copied, listed, backed up, in workers as well."""

from __future__ import annotations

import contextlib
import shutil
import sqlite3
import subprocess
from pathlib import Path

import pulpo
from tests.chaos.row import Row
from tests.chaos.trial import Trial
from tests.lab.killer import Killer
from tests.lab.place import Place

MODULE = "tests.chaos.touching"
READS = 0.2  # of the jobs read the files themselves


def act(trial: Trial) -> None:
    """Touch the file again and again while two workers and four producers are at it."""
    place = trial.place()
    jobs = trial.figures["jobs"]
    producers = place.produce(3, jobs // 4, "--seconds=0.001")
    producers += place.produce(1, int(jobs * READS), "--type=touching.reads")
    file = trial.folder / "queue.db"

    def strike() -> bool:
        what = trial.chosen.choice([_copy, _cat, _look, _back_up, _list])
        what(place, file)
        trial.count(what.__name__.strip("_").replace("_", " "))
        return True

    touches = trial.figures["touches"]
    place.wait_for("accepted", 1)  # the file is there
    with place.worker(module=MODULE) as one, place.worker(module=MODULE) as other:
        with Killer(strike, trial.chosen, between=(0.0, 0.05), most=touches) as toucher:
            place.published(producers, patience=600)
            place.wait_until_all_done(patience=300)
            while not toucher.is_done:  # whatever is left of the touches comes with new jobs
                _publish(place, 20)
                place.wait_until_all_done(patience=60)
        codes = [one.stop(), other.stop()]
        trial.must(codes == [0, 0], f"workers ended with {codes}")
        trial.must(not one.said("died") and not other.said("died"), "no process died")
    trial.must(toucher.struck == touches, f"{toucher.struck} touches")
    trial.audit(place)
    with contextlib.closing(sqlite3.connect(file)) as connection:
        (verdict,) = connection.execute("PRAGMA integrity_check").fetchone()
    trial.must(verdict == "ok", f"integrity: {verdict}")


def _publish(place: Place, count: int) -> None:
    with place.app() as app:
        for _ in range(count):
            message = pulpo.Message(type="touching.reads", body={})
            place.ledger.note("attempted", message.id)
            place.ledger.note("accepted", app.publish(message).id)


def _copy(place: Place, file: Path) -> None:
    shutil.copy(file, file.with_suffix(".copy"))


def _cat(place: Place, file: Path) -> None:
    for suffix in ("", "-wal", "-shm"):
        subprocess.run(
            ["cat", f"{file}{suffix}"],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            check=False,
        )


def _look(place: Place, file: Path) -> None:
    for beside in file.parent.glob("queue.db*"):
        with contextlib.suppress(FileNotFoundError):
            beside.stat()


def _back_up(place: Place, file: Path) -> None:
    """Make a whole copy as the documentation says, and see that it is one."""
    with (
        contextlib.closing(sqlite3.connect(file)) as source,
        contextlib.closing(sqlite3.connect(file.with_suffix(".backup"))) as copy,
    ):
        source.backup(copy)
        assert copy.execute("PRAGMA integrity_check").fetchone() == ("ok",), "a backup is whole"


def _list(place: Place, file: Path) -> None:
    said = place.pulpo("jobs", "list", "--limit", "50", "--json")
    assert said.code == 0, said.err


ROWS = [
    Row(
        name="O3",
        says="the queue's file is touched under load",
        passes="0 lost, 0 twice, integrity ok, no process dies",
        act=act,
        short={"jobs": 1_600, "touches": 40},
        full={"jobs": 40_000, "touches": 1_000},
        engines=("sqlite",),
    )
]
