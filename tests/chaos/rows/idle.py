"""M2: workers without a job: they cost next to nothing, keep their lines, and begin at once."""

from __future__ import annotations

import os
import time
from collections.abc import Collection
from contextlib import ExitStack
from pathlib import Path

from pulpo.message import Message
from tests.chaos.row import ALL, BOTH, Row
from tests.chaos.trial import Trial
from tests.lab.place import Place
from tests.lab.processes import WorkerProcess
from tests.lab.sampler import sample

WORKERS = 3
MOST_CPU, MOST_DELAY = 0.005, 0.05
# Until what a start has left behind is over: first waits, first connections.
SETTLE_DOWN = 2.5


def act(trial: Trial) -> None:
    """Let three workers idle, then publish a job now and then."""
    place = trial.place()
    with ExitStack() as ends:
        workers = [ends.enter_context(place.worker("--processes", "1")) for _ in range(WORKERS)]
        for worker in workers:
            worker.ready()
        time.sleep(SETTLE_DOWN)
        _idle(trial, place, workers)
        delay = _first_delay(place, trial.figures["jobs"])
        trial.must(delay < MOST_DELAY, f"a job began {delay * 1000:.0f} ms after its publish")
        trial.count("ms until a job begins", round(delay * 1000))
        place.wait_until_all_done()
        codes = [worker.stop() for worker in workers]
        trial.must(codes == [0] * WORKERS, f"workers ended with {codes}")
    trial.audit(place)


def _idle(trial: Trial, place: Place, workers: list[WorkerProcess]) -> None:
    families = [(worker.pid, *worker.children()) for worker in workers]
    sockets, used = _sockets(families), [_cpu(pids) for pids in families]
    before, started = [sample(pids) for pids in families], time.monotonic()
    time.sleep(trial.figures["seconds"])
    took = time.monotonic() - started
    shares = [(_cpu(pids) - was) / took for pids, was in zip(families, used, strict=True)]
    trial.count("1/1000 % of a core, the busiest worker", round(max(shares) * 100_000))
    trial.must(max(shares) < MOST_CPU, f"shares of a core: {shares}")
    after = [sample(pids) for pids in families]
    trial.must(
        all(now.threads == was.threads for now, was in zip(after, before, strict=True)),
        f"as many threads as before: {before} {after}",
    )
    again = len(_sockets(families) - sockets)
    trial.count("reconnects", again)
    trial.must(again == 0, f"{again} reconnects while idle")
    said = [pids for worker, pids in zip(workers, families, strict=True) if worker.said("died")]
    trial.must(not said, f"no process died: {said}")


def _cpu(pids: Collection[int]) -> float:
    """Return the seconds of the CPU that processes have used, to the nanosecond."""
    # The ticks of /proc/PID/stat are half a percent of two seconds each.
    tasks = [task for pid in pids for task in Path(f"/proc/{pid}/task").iterdir()]
    return sum(int((task / "schedstat").read_text().split()[0]) for task in tasks) / 1e9


def _sockets(families: Collection[Collection[int]]) -> set[str]:
    """Return the sockets that processes have open; a new connection is a new one."""
    folders = [Path(f"/proc/{pid}/fd") for pids in families for pid in pids]
    files = [file for folder in folders for file in folder.iterdir()]
    return {name for file in files if (name := os.readlink(file)).startswith("socket:")}


def _first_delay(place: Place, jobs: int) -> float:
    """Return how long a job waits that meets an idle worker, the best of some, in seconds."""
    published: dict[str, float] = {}
    with place.app() as app:
        for _ in range(jobs + 1):
            time.sleep(0.3)
            message = Message(type="ledger.note", body={})
            place.ledger.note("attempted", message.id)
            published[message.id] = time.monotonic()
            app.publish(message)
            place.ledger.note("accepted", message.id)
            place.wait_for("done", len(published))
    # The first one has opened the producer's own door, too.
    begun = {entry.id: entry.at for entry in place.ledger.read("begun")}
    delays = [begun[job_id] - at for job_id, at in published.items()]
    return min(delays[1:])


ROWS = [
    Row(
        name="M2",
        says="three workers without a job",
        passes="CPU < 0.5 % each, no reconnect, the first job begins within 50 ms",
        engines=ALL,
        short_on=BOTH,
        act=act,
        short={"seconds": 3, "jobs": 6},
        full={"seconds": 300, "jobs": 20},
    )
]
