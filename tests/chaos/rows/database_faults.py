"""E3: lines to a database that are cut at any byte. F5: the disk of a database is full."""

from __future__ import annotations

import contextlib

from tests.chaos.ending import end_well
from tests.chaos.row import Row
from tests.chaos.rows.full_disks import accepted, fill, idle, publish, refused_at_last
from tests.chaos.trial import Trial
from tests.lab.disks import small_disk
from tests.lab.postgresql import PostgreSQL
from tests.lab.processes import until
from tests.lab.proxy import Proxy

PROCESSES, THREADS, WORKERS = 2, 8, 2
OPTIONS = ("--processes", str(PROCESSES), "--threads", str(THREADS))
DOCUMENTED = {"QueueUnavailableError", "PublishUncertainError"}
# A line lives for so many bytes at most: to open one takes some thousand.
LIVES = (4_000, 40_000)
# So many jobs a process holds at most: what it runs, and what it has taken ahead.
HELD = 128
PAD: dict[str, object] = {"pad": "x" * 10_000}
# Without a log that is kept small there, the disk would be full of it from the beginning.
SMALL = {"min_wal_size": "32MB", "max_wal_size": "48MB", "wal_recycle": "off"}


def cut_lines(trial: Trial) -> None:
    """Publish and run on lines that are cut in the middle of anything, then end on whole ones."""
    place = trial.place()
    assert isinstance(place.server, PostgreSQL)
    lives = [True]

    def lifetime() -> float:
        return trial.chosen.randint(*LIVES) if lives else float("inf")

    jobs = trial.figures["jobs"]
    with Proxy("127.0.0.1", place.server.port, lifetime=lifetime) as line:
        there = f"127.0.0.1:{place.server.port}"
        on_line = trial.place_at(place.url.replace(there, f"127.0.0.1:{line.port}"), place.server)
        assert on_line.url != place.url
        workers = [trial.stack.enter_context(on_line.worker(*OPTIONS)) for _ in range(WORKERS)]
        producers = [
            *on_line.produce(1, jobs // 2, "--seconds=0.005"),
            *on_line.produce(1, jobs // 2, "--seconds=0.005", "--batch=20"),
        ]
        said = on_line.published(producers, patience=600)
        until(lambda: line.accepted >= trial.figures["lines"], "enough lines were cut", patience=60)
        lives.clear()
        met = {name for each in said for name in each["errors"]}
        trial.must(met <= DOCUMENTED, f"producers met {sorted(met)}")
        trial.count("publishes that met an error", sum(sum(e["errors"].values()) for e in said))
        trial.count("lines", line.accepted)
        end_well(trial, on_line, workers, patience=300)
        uncertain = sum(len(each["uncertain"]) for each in said)
        trial.audit(place, doubled=line.accepted * HELD + uncertain, cut_copies=uncertain)


def full_disk(trial: Trial) -> None:
    """Fill the disk of a database under load, wait, and make room again."""
    disk = trial.stack.enter_context(small_disk(trial.folder / "disk", size="160m"))
    for folder in (trial.folder, disk):
        folder.chmod(0o711)  # the server is another user's
    database = PostgreSQL(synced=True, settings=SMALL, home=disk)
    trial.stack.enter_context(database)
    place = trial.place_at(f"{database.url}?create=1", database)
    ballast = disk / "ballast"
    with place.worker(*OPTIONS) as worker, contextlib.closing(place.app()) as app:
        for _ in range(trial.figures["jobs"]):
            publish(place, app, "ledger.note", PAD)
        for _ in range(trial.figures["times"]):
            fill(ballast)
            refused_at_last(trial, place, app, headers=PAD)
            trial.must(idle(trial, worker), "a worker on a full disk spins")
            ballast.unlink()
            if not database.runs():
                # It gives up where its log has no room, and so does an operator's service then.
                trial.count("servers that gave up")
                database.restart()
            until(lambda: accepted(place, app, "ledger.note"), "a publish is accepted", patience=60)
        place.wait_until_all_done(patience=60)
        trial.must(worker.ready().stop() == 0, "the worker ends well")
        trial.must(not worker.said("died"), "no process has died")
    trial.audit(place, doubled=(trial.figures["times"] + 1) * PROCESSES * HELD * 4)


ROWS = [
    Row(
        name="E3",
        says="lines to a database that are cut at any byte",
        passes="0 lost, documented errors only, second runs at most what was held",
        act=cut_lines,
        engines=("postgresql",),
        short=None,
        full={"jobs": 20_000, "lines": 300},
    ),
    Row(
        name="F5",
        says="the disk of a database is full",
        passes="puts are refused, nobody spins; with room again 0 lost",
        act=full_disk,
        engines=("postgresql",),
        needs=("small disk",),
        short=None,
        full={"jobs": 500, "times": 5},
    ),
]
