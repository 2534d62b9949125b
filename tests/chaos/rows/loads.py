"""B1, B2, B3: no fault at all, but very many jobs: mixed ends, one burst, all of them delayed."""

from __future__ import annotations

import subprocess
import sys
import time
from collections import Counter
from datetime import UTC, datetime

import pulpo
from tests.chaos.row import ALL, DURABLE, Row
from tests.chaos.trial import Trial
from tests.lab import mass
from tests.lab.mass import Record
from tests.lab.mixer import SHARES
from tests.lab.place import Place
from tests.lab.processes import environment, until
from tests.lab.sampler import Sampler

PRODUCERS, WORKERS, PROCESSES = 4, 3, 2
BATCH = 1_000
# beanstalkd's own default: these rows are about numbers, and nothing dies in them.
SYNC_SELDOM = ("-f50",)
MOST_MEMORY = 150e6
# What one producer and two processes can do in a second, with room to spare: where more than that
# is due, the rest is late.
PUBLISHED_EACH_SECOND = {
    "sqlite": 10_000,
    "beanstalkd": 8_000,
    "postgresql": 4_000,
    "beanstalkds": 6_000,
}
RUN_EACH_SECOND = {"sqlite": 4_000, "beanstalkd": 3_000, "postgresql": 1_500, "beanstalkds": 2_500}
LATE = 1.5


def mixed(trial: Trial) -> None:
    """Let each job come to exactly the end that it is made for."""
    place = trial.place()
    producers = [
        subprocess.Popen(
            [
                *(sys.executable, "-m", "tests.lab.mixer"),
                *(str(trial.figures["jobs"] // PRODUCERS), str(trial.chosen.randrange(10**6))),
            ],
            env=environment(place.url, place.ledger.folder),
            cwd=place.folder,
        )
        for _ in range(PRODUCERS)
    ]
    workers = [trial.stack.enter_context(place.worker()) for _ in range(WORKERS)]
    codes = [producer.wait(600) for producer in producers]
    trial.must(not any(codes), f"producers ended with {codes}")
    until(lambda: _is_drained(place), "nothing is left to run", patience=600, pause=0.5)
    codes = [worker.ready().stop() for worker in workers]
    trial.must(not any(codes), f"workers ended with {codes}")
    _judge_ends(trial, place)


def _is_drained(place: Place) -> bool:
    stats = place.stats()
    return not stats["ready"] + stats["delayed"] + stats["reserved"]


def _judge_ends(trial: Trial, place: Place) -> None:
    attempted = place.ledger.read("attempted")
    begun = Counter(entry.id for entry in place.ledger.read("begun"))
    done = Counter(entry.id for entry in place.ledger.read("done"))
    first = {entry.id: entry.at for entry in reversed(place.ledger.read("begun"))}
    buried = {job["id"] for job in place.waiting() if job["state"] == "buried"}
    wrong: Counter[str] = Counter()
    for entry in attempted:
        end = entry.facts["end"]
        trial.count(end)
        runs = {"retried": 2, "expired": 0}.get(end, 1)
        wanted = (runs, int(end not in ("fatal", "expired")), end == "fatal")
        wrong[end] += (begun[entry.id], done[entry.id], entry.id in buried) != wanted
        if end == "delayed":
            wrong["early"] += first.get(entry.id, 0.0) < entry.facts["not_before"] - 0.001
    trial.must(not wrong.total(), f"came to another end: {dict(+wrong)}")
    trial.must(len(attempted) == place.ledger.count("accepted"), "all were accepted")
    trial.must(set(trial.counted) == set(SHARES), "there was some of each")
    left = len(place.waiting()) - len(buried)
    trial.must(not left, f"{left} jobs are left over")


def burst(trial: Trial) -> None:
    """Publish all, and then drain."""
    place, jobs = trial.place(*SYNC_SELDOM), trial.figures["jobs"]
    puts = _publish(place, [{"number": n} for n in range(jobs)])
    _must_keep_its_pace(trial, "published", puts)
    with (
        place.worker(module=mass.__name__) as worker,
        Sampler(worker.children, every=0.5) as sampler,
    ):
        until(lambda: mass.count(place.ledger.folder) >= jobs, "all", patience=1200, pause=0.2)
        until(lambda: _is_drained(place), "all settled", pause=0.2)
        trial.must(worker.stop() == 0, "the worker ends well")
    found = mass.records(place.ledger.folder)
    _must_be_each_once(trial, found, jobs)
    _must_keep_its_pace(trial, "run", [record.at for record in found])
    trial.count("MB at most", round(sampler.peak / PROCESSES / 1e6))
    trial.must(sampler.samples, "memory was looked at")
    trial.must(sampler.peak < MOST_MEMORY * PROCESSES, f"{sampler.peak / 1e6:.0f} MB in all")


def delayed(trial: Trial) -> None:
    """Publish all for later; their times are spread over what two processes can do."""
    place, jobs = trial.place(*SYNC_SELDOM), trial.figures["jobs"]
    first = time.time() + 3 + jobs / PUBLISHED_EACH_SECOND[trial.engine]
    spread = jobs / RUN_EACH_SECOND[trial.engine]
    dues = [first + trial.chosen.uniform(0, spread) for _ in range(jobs)]
    _publish(place, [{"number": n, "due": due} for n, due in enumerate(dues)])
    trial.must(time.time() < first, "all were published before the first was due")
    with place.worker(module=mass.__name__) as worker:
        worker.ready()
        patience = max(first + 2 * spread + 60 - time.time(), 60)
        until(lambda: mass.count(place.ledger.folder) >= jobs, "all", patience=patience, pause=0.2)
        until(lambda: _is_drained(place), "all settled", pause=0.2)
        trial.must(worker.stop() == 0, "the worker ends well")
    found = mass.records(place.ledger.folder)
    _must_be_each_once(trial, found, jobs)
    late = sorted(record.late for record in found)
    trial.count("ms late at 99 %", round(late[jobs * 99 // 100] * 1000))
    trial.must(late[0] >= 0, f"a job came {-late[0] * 1000:.1f} ms early")
    percent = trial.figures["percent in time"]
    in_time = 100 * sum(seconds <= LATE for seconds in late) / jobs
    trial.must(in_time >= percent, f"only {in_time:.1f} % came within {LATE} s")


def _publish(place: Place, bodies: list[dict[str, object]]) -> list[float]:
    """Publish in batches; return for each job when it was accepted."""
    moments: list[float] = []
    with place.app() as app:
        for start in range(0, len(bodies), BATCH):
            batch = bodies[start : start + BATCH]
            app.publish_many([_message(body) for body in batch])
            moments += [time.monotonic()] * len(batch)
    return moments


def _message(body: dict[str, object]) -> pulpo.Message:
    due = body.get("due")
    at = datetime.fromtimestamp(due, UTC) if isinstance(due, float) else None
    return pulpo.Message(type="mass.record", body=body, at=at)


def _must_be_each_once(trial: Trial, found: list[Record], jobs: int) -> None:
    runs = Counter(record.number for record in found)
    trial.must(runs.keys() == set(range(jobs)), f"{jobs - len(runs)} jobs are lost")
    trial.must(len(found) == len(runs), f"{len(found) - len(runs)} runs too many")


def _must_keep_its_pace(trial: Trial, what: str, moments: list[float]) -> None:
    """Require that the pace of the first tenth is about kept, by the figure in percent."""
    moments = sorted(moments)
    tenth = len(moments) // 10
    first = tenth / (moments[tenth] - moments[0])
    rest = (len(moments) - tenth) / (moments[-1] - moments[tenth])
    trial.count(f"{what} each second", round(rest))
    percent = trial.figures["percent kept"]
    trial.must(rest >= first * percent / 100, f"{what}: {first:.0f}/s at first, then {rest:.0f}/s")


ROWS = [
    Row(
        name="B1",
        says="mixed ends",
        passes="each job in exactly the end it was made for, none twice",
        act=mixed,
        engines=ALL,
        short_on=DURABLE,
        short={"jobs": 2_000},
        full={"jobs": 100_000},
    ),
    Row(
        name="B2",
        says="a burst by publish_many, then drained",
        passes="0 lost, 0 twice, a process below 150 MB, at least 0.8 of the first pace kept",
        act=burst,
        engines=ALL,
        short_on=DURABLE,
        short={"jobs": 10_000, "percent kept": 10},
        full={"jobs": 1_000_000, "percent kept": 80},
    ),
    Row(
        name="B3",
        says="delayed jobs",
        passes="0 lost, none early, 99 % at most 1.5 s late",
        act=delayed,
        engines=ALL,
        short_on=DURABLE,
        short={"jobs": 2_000, "percent in time": 50},
        full={"jobs": 1_000_000, "percent in time": 99},
    ),
]
