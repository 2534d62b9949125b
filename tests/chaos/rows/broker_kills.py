"""A2: the server is killed and started again during puts, reserves and settles; D3: it freezes.

Without `-f0` as well: what the server has told the kernel outlives the server, not the machine.
"""

from __future__ import annotations

import json
import socket
import subprocess
import time
from bisect import bisect
from collections import Counter
from datetime import datetime
from pathlib import Path
from typing import Any

from tests.chaos.ending import end_well
from tests.chaos.row import Row
from tests.chaos.trial import Trial
from tests.lab.beanstalkd import Beanstalkd
from tests.lab.place import Place
from tests.lab.postgresql import PostgreSQL
from tests.lab.processes import WorkerProcess, until

WORKERS, PROCESSES, THREADS = 2, 2, 8
SLOTS = WORKERS * PROCESSES * (THREADS + 1)
OPTIONS = ("--processes", str(PROCESSES), "--threads", str(THREADS))
DOCUMENTED = {"QueueUnavailableError", "PublishUncertainError"}
FLAGS = {"-b -f0": "-f0", "-b": "-f50"}
# Workers are back within this; a producer's call has its answer or its error within that.
BACK, ANSWER = 5.0, 15.0
# Of a database: the last statement of a session is a worker's.
_HAVE_RESERVED = "SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%trade_1(%'"
# What was settled there in the last second may not have reached the disk, and is run again.
A_SECOND = 400


def killed(trial: Trial) -> None:
    """Kill and start it again, after pauses in which everybody finds nobody there."""
    place = _place(trial)
    server = place.server
    assert isinstance(server, Beanstalkd | PostgreSQL)
    workers, processes = _start(trial, place)
    producers = _produce(trial, place)
    kills = trial.figures["kills"]
    moments: list[tuple[float, float]] = []
    for kill in range(kills):
        place.wait_for("accepted", (kill + 1) * trial.figures["jobs"] // (kills + 1), patience=120)
        time.sleep(trial.chosen.uniform(0, 0.03))
        killed = time.monotonic()
        server.kill()
        trial.count("kills")
        time.sleep(2.0 if kill % 10 == 5 else trial.chosen.choice((0.0, 0.0, 0.05, 0.1, 0.2)))
        server.start()
        moments.append((killed, time.monotonic()))
        _must_come_back(trial, server, "a restart")
    uncertain = _end(trial, place, producers, workers, processes, faults=kills)
    if not isinstance(server, PostgreSQL):
        _must_stay_deleted(trial, place, moments, twice=uncertain)


def _place(trial: Trial) -> Place:
    if trial.engine not in FLAGS:
        return trial.place()
    server = trial.server(FLAGS[trial.engine])
    return trial.place_at(server.url, server)


def frozen(trial: Trial) -> None:
    """Freeze it for longer than anybody waits for an answer, while everything goes on."""
    place = trial.place()
    server = place.server
    assert isinstance(server, Beanstalkd | PostgreSQL)
    workers, processes = _start(trial, place)
    producers = _produce(trial, place)
    times = trial.figures["times"]
    for freeze in range(times):
        place.wait_for(
            "accepted", (freeze + 1) * trial.figures["jobs"] // (times + 1), patience=120
        )
        server.freeze()
        trial.count("freezes")
        time.sleep(trial.figures["seconds"])
        server.thaw()
        _must_come_back(trial, server, "a thaw")
    _end(trial, place, producers, workers, processes, faults=times)


def _start(trial: Trial, place: Place) -> tuple[list[WorkerProcess], set[int]]:
    workers = [trial.stack.enter_context(place.worker(*OPTIONS)) for _ in range(WORKERS)]
    for worker in workers:
        until(lambda worker=worker: len(worker.children()) == PROCESSES, "all processes")
        worker.ready()
    return workers, {pid for worker in workers for pid in worker.children()}


def _produce(trial: Trial, place: Place) -> list[subprocess.Popen[str]]:
    share = trial.figures["jobs"] // 2
    return [
        *place.produce(1, share, "--seconds=0.01", "--batch=1"),
        *place.produce(1, share, "--seconds=0.01", "--batch=10", "--pause=0.005"),
    ]


def _must_come_back(trial: Trial, server: Beanstalkd | PostgreSQL, event: str) -> None:
    """Wait until every worker process has asked the server for jobs again."""
    started = time.monotonic()
    try:
        until(lambda: _askers(server) >= WORKERS * PROCESSES, "all are back", patience=2 * BACK)
    except AssertionError:
        trial.must(False, f"only {_askers(server)} worker processes were back after {event}")
        return
    took = time.monotonic() - started
    most = max(trial.counted["longest until back, in ms"], round(took * 1000))
    trial.counted["longest until back, in ms"] = most
    trial.must(took <= BACK, f"workers were back {took:.1f} s after {event}")


def _askers(server: Beanstalkd | PostgreSQL) -> int:
    """Return how many connections have reserved, by the server's own count."""
    if isinstance(server, PostgreSQL):
        return int(server.psql(_HAVE_RESERVED))
    with socket.create_connection(("127.0.0.1", server.port), timeout=5) as line:
        line.sendall(b"stats\r\n")
        text = b""
        while b"current-workers: " not in text or b"\n" not in text.partition(b"ers: ")[2]:
            text += line.recv(4096)
    return int(text.partition(b"current-workers: ")[2].split()[0])


def _end(
    trial: Trial,
    place: Place,
    producers: list[subprocess.Popen[str]],
    workers: list[WorkerProcess],
    processes: set[int],
    *,
    faults: int,
) -> set[str]:
    """Let all be done and judged; return the ids that may have been put twice."""
    said = place.published(producers, patience=300)
    (trial.folder / "producers.json").write_text(json.dumps(said))
    # A synced delete a job: what is left may take longer than the publishing did.
    place.wait_until_all_done(patience=1_800)
    # Whose delete a database had not on its disk is there again, and done again.
    place.wait_until_empty(patience=120)
    now = {pid for worker in workers for pid in worker.children()}
    trial.must(now == processes, "a worker process has ended")
    end_well(trial, place, workers)
    met = sum((Counter(line["errors"]) for line in said), Counter[str]())
    trial.count("publishes that met an error", met.total())
    slowest = max(float(line["slowest"]) for line in said)
    waited = slowest >= trial.figures.get("seconds", ANSWER) / 2
    trial.must(met.total() >= faults // 2 or waited, "producers met the fault")
    trial.must(set(met) <= DOCUMENTED, f"producers met {dict(met)}")
    trial.must(slowest <= ANSWER + trial.figures.get("seconds", 0), f"a publish took {slowest} s")
    # Twice: what ran while the server was away, what was settled without an answer, and what was
    # published without one.
    uncertain = {job_id for line in said for job_id in line["uncertain"]}
    unsynced = faults * A_SECOND if trial.engine == "postgresql" else 0
    trial.audit(place, doubled=2 * faults * SLOTS + unsynced + len(uncertain))
    attempts = {entry.facts["attempt"] for entry in place.ledger.read("begun")}
    trial.must(attempts == {1}, f"attempts were spent: {attempts}")
    return uncertain


def _must_stay_deleted(
    trial: Trial, place: Place, kills: list[tuple[float, float]], *, twice: set[str]
) -> None:
    """Require that nothing runs after a restart that was deleted before the kill.

    Of a job that may have been put `twice`, one copy may be deleted while the other still waits.
    `kills` are the moments of the kills and of the ends of the restarts. That two workers call a
    job done is no proof: where a delete was sent and not answered, a job that is gone is done.
    """
    back = time.time() - time.monotonic()
    deleted: dict[str, float] = {}
    for log in place.folder.glob("worker-*.log"):
        for line in _lines(log):
            if line["event"] == "success":
                at = datetime.fromisoformat(line["time"]).timestamp() - back
                deleted[line["id"]] = min(at, deleted.get(line["id"], at))
    trial.must(deleted, "workers told of what they did")
    again = set()
    for entry in place.ledger.read("begun"):
        if entry.id in twice:
            continue
        # A log counts in whole milliseconds.
        next_kill = bisect(kills, (deleted.get(entry.id, entry.at) + 0.001, 0.0))
        if next_kill < len(kills) and entry.at > kills[next_kill][1]:
            again.add(entry.id)
    trial.must(not again, f"{len(again)} deleted jobs were back: {sorted(again)[:5]}")


def _lines(log: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in log.read_text().splitlines() if line.startswith("{")]


ROWS = [
    Row(
        name="A2",
        says="kill -9 of the server",
        passes="0 lost, documented errors only, workers back within 5 s; on beanstalkd 0 deleted "
        "jobs back",
        act=killed,
        engines=(*FLAGS, "postgresql"),
        short_on=tuple(FLAGS),
        needs=("beanstalkd", "compiler"),
        short={"jobs": 1_500, "kills": 15},
        full={"jobs": 100_000, "kills": 500},
    ),
    Row(
        name="D3",
        says="the server freezes",
        passes="0 lost, no call hangs, workers back within 5 s",
        act=frozen,
        engines=("beanstalkd", "postgresql"),
        short_on=("beanstalkd",),
        short={"jobs": 600, "times": 1, "seconds": 6},
        full={"jobs": 3_000, "times": 5, "seconds": 10},
    ),
]
