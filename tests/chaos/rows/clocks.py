"""K1 and K2: wall clocks that jump, and clocks that differ between machines."""

from __future__ import annotations

import json
import subprocess
import sys
import time

import greenstalk

import pulpo
from tests.chaos.clocks import WallClock
from tests.chaos.row import ALL, BOTH, Row
from tests.chaos.trial import Trial
from tests.lab.beanstalkd import Beanstalkd
from tests.lab.place import Place
from tests.lab.processes import environment, until
from tests.lab.sampler import sample

MODULE = "tests.chaos.clocked_tasks"
HOUR, YEAR = 3_600.0, 365.25 * 86_400
JUMPS = (HOUR, -HOUR, 2 * HOUR, -2 * HOUR, 10 * YEAR, -10 * YEAR, 90.0, -90.0)
PROCESSES, THREADS = 2, 4
# Before and after each jump so many jobs are put, half of them with a delay of a second.
JOBS = 20
# Cores that a worker may keep busy at most while it has next to nothing to do.
MOST_BUSY = 0.8
SKEW = 30.0
# Beyond its delay a job on a file waits for a thread, and no longer than this on a busy machine.
LATEST = 5.0
_PUBLISH = """
import json, sys, pulpo, tests.chaos.clocks
app = pulpo.Pulpo(sys.argv[1])
message = pulpo.Message(type="ledger.note", delay=float(sys.argv[2]), expires="1h")
print(json.dumps({"id": app.publish(message).id}))
app.close()
"""


def jumps(trial: Trial) -> None:
    """Set the clock of worker and server again and again while jobs come, wait and run."""
    clock = WallClock(trial.folder / "clock")
    place = _place(trial, clock)
    options = ("--processes", str(PROCESSES), "--threads", str(THREADS))
    mark = Mark(place.server) if place.server is not None else None
    with place.worker(*options, module=MODULE, **clock.environ) as worker, place.app() as app:
        worker.ready()
        started, busy = time.monotonic(), sample([worker.pid, *worker.children()]).cpu
        for n in range(trial.figures["jumps"]):
            _put(place, app)
            time.sleep(trial.chosen.uniform(0, 0.3))
            chosen = JUMPS[n % len(JUMPS)] if n < len(JUMPS) else trial.chosen.choice(JUMPS)
            clock.set(chosen)
            trial.count("jumps")
            if mark is not None:
                trial.must(abs(mark.ahead() - chosen) < 5, f"the server's clock is not {chosen} on")
            _put(place, app)
            time.sleep(trial.chosen.uniform(0, 0.5))
        clock.set(0)
        _fetch_back(trial, place)
        place.wait_until_all_done(patience=60)
        cores = (sample([worker.pid, *worker.children()]).cpu - busy) / (time.monotonic() - started)
        trial.count("% of a core", round(100 * cores))
        trial.must(cores < MOST_BUSY, f"the worker kept {cores:.2f} cores busy")
        told = [line for line in worker.said("clock") if "was set" in line["reason"]]
        trial.must(told, "no jump was told")
        trial.must(not worker.said("died"), f"processes died: {worker.said('died')[:2]}")
        trial.must(worker.stop(timeout=20) == 0, "the worker ended with 0")
    trial.audit(place, doubled=trial.counted["jumps"] * PROCESSES * THREADS)
    if mark is not None:
        mark.remove()
    trial.must(not place.waiting(), "nothing is left, nothing is buried")
    if trial.engine == "sqlite":
        trial.must(not trial.counted["done again"], "a lease moved with the wall clock")
        _judge_delays(trial, place)


class Mark:
    """A job that nobody serves: how long its delay has left says where a server's clock stands."""

    FAR = 50 * YEAR

    def __init__(self, server: Beanstalkd) -> None:
        self._client = greenstalk.Client(("127.0.0.1", server.port), encoding=None, use="nobody")
        self._number = self._client.put(b"a mark", delay=int(self.FAR))
        self._put = time.monotonic()

    def ahead(self) -> float:
        """Return how many seconds the server's clock is ahead of where it stood at the put."""
        left = int(self._client.stats_job(self._number)["time-left"])
        return self.FAR - left - (time.monotonic() - self._put)

    def remove(self) -> None:
        """Delete the job, and hang up."""
        self._client.delete(self._number)
        self._client.close()


def _judge_delays(trial: Trial, place: Place) -> None:
    """A delay on a file is a duration, whatever the wall clock says meanwhile."""
    asked = {entry.id: entry for entry in place.ledger.read("accepted")}
    for entry in place.ledger.read("begun"):
        put = asked[entry.id]
        waited = entry.at - put.facts["asked"]
        late = waited - put.facts["delay"]
        trial.must(
            -0.05 <= late <= LATEST, f"a delay of {put.facts['delay']} s took {waited:.1f} s"
        )


def _fetch_back(trial: Trial, place: Place) -> None:
    """Kick what a server put off into a future that was taken back; a file has no such jobs.

    beanstalkd's delays are moments of its wall clock: such a job is not lost, it waits for years.
    """

    def is_quiet() -> bool:
        counts = place.stats()
        return not counts["ready"] + counts["reserved"]

    until(is_quiet, "all that is ready has run", patience=60, pause=0.2)
    far = [job["id"] for job in place.waiting() if job["state"] == "delayed" and job["due"] > 30]
    trial.count("put off by the clock", len(far))
    trial.must(trial.engine == "beanstalkd" or not far, f"a file put {len(far)} jobs off")
    if far:
        trial.must(place.pulpo("jobs", "kick", *far).code == 0, "they are kicked")


def _place(trial: Trial, clock: WallClock) -> Place:
    if trial.engine != "beanstalkd":
        return trial.place()
    server = Beanstalkd(environ=clock.preload)
    trial.stack.enter_context(server)
    return trial.place_at(server.url, server)


def _put(place: Place, app: pulpo.Pulpo) -> None:
    messages = [
        pulpo.Message(type="ledger.note", body={"seconds": 0.05}, delay=n % 2) for n in range(JOBS)
    ]
    for message in messages:
        place.ledger.note("attempted", message.id)
    asked = time.monotonic()
    for message, ref in zip(messages, app.publish_many(messages), strict=True):
        place.ledger.note("accepted", ref.id, asked=asked, delay=message.delay)


def skew(trial: Trial) -> None:
    """Publish by a clock that is behind, run by one that is ahead; and reversed."""
    place = trial.place()
    for behind, ahead in ((-SKEW, SKEW), (SKEW, -SKEW)):
        producer = WallClock(trial.folder / f"producer{behind}", behind)
        consumer = WallClock(trial.folder / f"worker{ahead}", ahead)
        before = place.ledger.count("done")
        jobs = trial.figures["jobs"]
        with place.worker("--processes", "1", module=MODULE, **consumer.environ) as worker:
            worker.ready()
            began = time.monotonic()
            ids = [_published(place, producer, delay=2.0 * (n % 2)) for n in range(jobs)]
            trial.count("jobs", len(ids))
            place.wait_for("done", before + jobs, patience=60)
            trial.count("seconds", round(time.monotonic() - began))
            told = [line for line in worker.said("clock") if "from now" in line["reason"]]
            wanted = 1 if behind > ahead else 0
            trial.must(len(told) == wanted, f"skew was told {len(told)} times, not {wanted}")
            trial.must(worker.stop(timeout=20) == 0, "the worker ended with 0")
    _judge_early(trial, place)
    trial.must(not place.waiting(), "nothing is left: nothing expired, nothing is buried")
    trial.audit(place)


def _published(place: Place, clock: WallClock, *, delay: float) -> str:
    at = time.monotonic()
    said = subprocess.run(
        [sys.executable, "-c", _PUBLISH, place.url, str(delay)],
        env={**environment(place.url, place.ledger.folder), **clock.environ},
        cwd=place.folder,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    job_id = str(json.loads(said.stdout)["id"])
    # From before it was put: a job that ran sooner than that plus its delay was certainly early.
    place.ledger.note("attempted", job_id)
    place.ledger.note("accepted", job_id, asked=at, delay=delay)
    return job_id


def _judge_early(trial: Trial, place: Place) -> None:
    ran = {entry.id: entry for entry in place.ledger.read("begun")}
    for entry in place.ledger.read("accepted"):
        if entry.id in ran:
            waited = ran[entry.id].at - entry.facts["asked"]
            early = entry.facts["delay"] - waited
            trial.must(early <= 2.0, f"{entry.id} ran {early:.1f} s early")
    trial.must(ran, "some jobs began")


ROWS = [
    Row(
        name="K1",
        says="wall clocks that jump by hours and years, of worker and server",
        passes="0 lost, at most the running jobs again at each jump; on a file none, and no delay "
        "moves; no busy loop",
        act=jumps,
        short={"jumps": 8},
        full={"jumps": 100},
        engines=BOTH,
        needs=("faketime",),
    ),
    Row(
        name="K2",
        says="a producer's clock 30 s behind and a worker's 30 s ahead, and reversed",
        passes="nothing runs 2 s early, nothing expires, the skew is told once where it shows",
        act=skew,
        short={"jobs": 4},
        full={"jobs": 40},
        engines=ALL,
        short_on=BOTH,
        needs=("faketime",),
    ),
]
