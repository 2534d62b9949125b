"""E1: workers and producers on a line with every fault of a network, and some of a bad proxy."""

from __future__ import annotations

import subprocess
from collections import Counter, defaultdict
from functools import partial

from tests.chaos.ending import leaves_nothing, unsettled
from tests.chaos.row import Row
from tests.chaos.trial import Trial
from tests.lab.bad_line import KINDS, BadLine
from tests.lab.place import Place
from tests.lab.processes import WorkerProcess, until
from tests.lab.sampler import sample

PROCESSES, THREADS = 2, 8
OPTIONS = ("--processes", str(PROCESSES), "--threads", str(THREADS))
# What a connection holds beyond the threads: jobs that were reserved ahead.
AHEAD = 5
DOCUMENTED = {"QueueUnavailableError", "PublishUncertainError"}
# A client that is busy elsewhere looks at its connection within this, in seconds.
CLOSES = 15.0
# Beside the pool: the loop, the event loop, the beat, and what Python keeps.
MOST_THREADS = THREADS + 6


def act(trial: Trial) -> None:
    """Publish and run on the bad line until it has done enough, then on a good one."""
    server = trial.server()
    place = trial.place_at(server.url, server)
    with BadLine(server.port, trial.chosen) as line:
        on_line = trial.place_at(line.url)
        workers = [
            trial.stack.enter_context(on_line.worker(*OPTIONS))
            for _ in range(trial.figures["workers"])
        ]
        _story(trial, place, on_line, workers, line)
        _buried(trial, place)
        trial.audit(place, doubled=line.faults.total() * (THREADS + AHEAD))
        _judge(trial, place, line)


def _story(
    trial: Trial, place: Place, on_line: Place, workers: list[WorkerProcess], line: BadLine
) -> None:
    processes = _children(workers)
    said = on_line.published(_produce(trial, on_line), patience=1_200)
    wanted = trial.figures["faults"]
    # Idle workers meet faults as well.
    until(lambda: line.faults.total() >= wanted, f"{wanted} faults", patience=300)
    line.heal()
    _wait_for_the_end(place)
    threads = {pid: sample([pid]).threads for pid in _children(workers)}
    trial.must(max(threads.values()) <= MOST_THREADS, f"threads were left: {threads}")
    trial.must(processes == _children(workers), "a worker process has ended")
    codes = [worker.stop(timeout=60) for worker in workers]
    trial.must(not any(codes), f"workers ended with {codes}")
    until(lambda: not line.unclosed(CLOSES), "broken connections are closed", patience=CLOSES)
    leaves_nothing(trial, place)
    met = sum((Counter(each["errors"]) for each in said), Counter[str]())
    trial.must(set(met) <= DOCUMENTED, f"producers met {dict(met)}")
    trial.count("publishes that met an error", met.total())


def _produce(trial: Trial, on_line: Place) -> list[subprocess.Popen[str]]:
    jobs = trial.figures["jobs"]
    shares = {
        "--type=ledger.note": jobs * 40 // 100,
        "--type=ledger.anote": jobs * 40 // 100,
        "--type=ledger.flaky": jobs * 14 // 100,
        "--type=ledger.fatal": jobs * 6 // 100,
    }
    return [
        producer
        for n, (kind, count) in enumerate(shares.items())
        for producer in on_line.produce(1, count, kind, "--seconds=0.002", f"--batch={1 + 2 * n}")
    ]


def _children(workers: list[WorkerProcess]) -> set[int]:
    for worker in workers:
        worker.ready()
        until(partial(_has_all, worker), "all processes")
    return {pid for worker in workers for pid in worker.children()}


def _has_all(worker: WorkerProcess) -> bool:
    return len(worker.children()) >= PROCESSES


def _wait_for_the_end(place: Place) -> None:
    until(lambda: not unsettled(place.waiting()), "all is done or buried", patience=300, pause=0.5)


def _buried(trial: Trial, place: Place) -> None:
    """Require that exactly those are buried that fail for good."""
    jobs = place.waiting()
    done = {entry.id for entry in place.ledger.read("done")}
    fatal = {entry.id for entry in place.ledger.read("accepted")} - done
    buried = {job["id"] for job in jobs if job["state"] == "buried"}
    others = [job["id"] for job in jobs if job["type"] != "ledger.fatal"]
    trial.must(not others, f"only what fails for good is left: {others[:5]}")
    trial.must(fatal == buried, "what was never done is buried, and nothing else")


def _judge(trial: Trial, place: Place, line: BadLine) -> None:
    for kind, times in sorted(line.faults.items()):
        trial.count(kind, times)
    trial.count("connections with a broken reply", line.broken)
    missing = KINDS.keys() - line.faults.keys()
    # Of few faults, the rarest kinds may be none by chance.
    most = 0 if trial.figures["faults"] >= 500 else 4
    trial.must(len(missing) <= most, f"some faults did not happen: {missing}")
    unclosed, used = line.unclosed(CLOSES), line.used_again(CLOSES)
    trial.must(not unclosed, f"connections were kept after a broken reply: {unclosed[:5]}")
    trial.must(not used, f"connections were used after a broken reply: {used[:5]}")
    wrong, settled = wrong_deletes(place, line)
    trial.count("deletes sent", settled)
    trial.must(settled, "deletes were looked at")
    trial.must(not wrong, f"{len(wrong)} deletes were wrong: {wrong[:5]}")


def wrong_deletes(place: Place, line: BadLine) -> tuple[list[str], int]:
    """Return each delete that would have taken a job that was not done, and how many there were.

    Right is: its id was done before; or the server had it under another number as well, as it has
    the copy of a job that is retried or buried.
    """
    done: dict[str, float] = {}
    for entry in place.ledger.read("done"):
        done[entry.id] = min(entry.at, done.get(entry.id, entry.at))
    ids: dict[int, str] = {}
    numbers: dict[str, set[int]] = defaultdict(set)
    wrong, count = [], 0
    for dealing in line.dealings:
        if dealing.what != "delete":
            ids[dealing.number] = dealing.id
            numbers[dealing.id].add(dealing.number)
            continue
        count += 1
        job_id = ids.get(dealing.number, "")
        others = numbers[job_id] - {dealing.number}
        if done.get(job_id, float("inf")) > dealing.at and not others:
            wrong.append(f"{dealing.number} ({job_id or 'that nobody was given'})")
    return wrong, count


ROWS = [
    Row(
        name="E1",
        says="faults of the network",
        passes="0 lost, 0 wrong settles, broken connections closed, no thread or process lost",
        act=act,
        engines=("beanstalkd",),
        short={"jobs": 500, "faults": 110, "workers": 2},
        full={"jobs": 20_000, "faults": 5_000, "workers": 4},
    )
]
