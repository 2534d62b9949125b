"""H1 and H2: jobs that harm their process, among good ones that stand beside them.

Whoever kills its process is buried with the signal or the exit code; whoever only misbehaves ends
by the rules of its type; no good job is buried, and the worker lives.
"""

from __future__ import annotations

import os
from dataclasses import dataclass

import pulpo
from tests.chaos.ending import unsettled
from tests.chaos.row import ALL, BOTH, Row
from tests.chaos.trial import Trial
from tests.lab.place import Place
from tests.lab.processes import WorkerProcess, is_alive, until

MODULE = "tests.chaos.poison"
PROCESSES, THREADS = 2, 4
OPTIONS = ("--processes", str(PROCESSES), "--threads", str(THREADS), "--grace", "2s")
# A first SIGKILL may have come from outside: the second run comes after a pause.
PATIENCE = 240.0


@dataclass(frozen=True)
class Poison:
    """A job that does harm, and what must stand in its story; empty where it just ends.

    One that `may_end` is done or buried: what it breaks does not belong to the queue everywhere.
    """

    type: str
    body: dict[str, object]
    buried_with: str
    kills: bool = False
    may_end: bool = False


POISONS = (
    Poison("poison.segfault", {}, "signal 11 (SIGSEGV)", kills=True),
    Poison("poison.abort", {}, "signal 6 (SIGABRT)", kills=True),
    Poison("poison.exit", {"code": 0}, "exit code 0", kills=True),
    Poison("poison.exit", {"code": 3}, "exit code 3", kills=True),
    Poison("poison.kill", {}, "signal 9 (SIGKILL)", kills=True),
    Poison("poison.bomb", {}, "exit code 9", kills=True),
    Poison("poison.closes", {}, "its process", kills=True, may_end=True),
    Poison("poison.stop", {}, "timed out after 2s", kills=True),
    Poison("poison.holds", {}, "timed out after 1s", kills=True),
    Poison("poison.loop", {}, "timed out after 1s"),
    Poison("poison.swallows", {}, "timed out after 1s"),
    Poison("poison.hog", {}, "MemoryError"),
    Poison("poison.leaves", {}, ""),
    Poison("poison.recursion", {}, "RecursionError"),
    Poison("poison.exits", {}, "SystemExit: enough"),
    Poison("poison.odd", {}, "not an Exception at all"),
    Poison("poison.deaf", {}, ""),
    Poison("poison.flood", {"megabytes": 20}, ""),
)


def all_at_once(trial: Trial) -> None:
    """Put every poison among good jobs, spread evenly."""
    place = trial.place()
    ids = _publish(trial, place, POISONS, trial.figures["good jobs"])
    with place.worker(*OPTIONS, module=MODULE) as worker:
        _wait(place, worker, POISONS)
        _stop(trial, worker)
    _judge(trial, place, dict(zip(ids, POISONS, strict=True)))


def one_by_one(trial: Trial) -> None:
    """Put each poison alone among good jobs, on a queue that goes on from one to the next."""
    place = trial.place()
    before = 0
    for poison in POISONS:
        (job_id,) = _publish(trial, place, (poison,), trial.figures["good jobs"])
        with place.worker(*OPTIONS, module=MODULE) as worker:
            _wait(place, worker, (poison,))
            _stop(trial, worker)
        deaths = len(worker.said("died"))
        trial.count("process deaths", deaths)
        # One in each process at most, one alone, and one where a first SIGKILL is believed.
        trial.must(deaths <= PROCESSES + 2, f"{deaths} processes died by {poison}")
        _judge(trial, place, {job_id: poison}, doubled=before + deaths * THREADS)
        before += deaths * THREADS
        place.pulpo("jobs", "delete", job_id)


def over_restarts(trial: Trial) -> None:
    """Kill and restart the server while a job kills process after process."""
    place = trial.place("-f0")
    assert place.server is not None
    for _ in range(trial.figures["restarts"]):
        (job_id,) = _publish(trial, place, POISONS[:1], 20)
        with place.worker(*OPTIONS, module=MODULE) as worker:
            until(lambda worker=worker: worker.said("died"), "a first death")  # type: ignore[misc]
            place.server.restart()
            trial.count("restarts")
            _wait(place, worker, POISONS[:1])
            _stop(trial, worker)
        # The server's counters do not survive it: that costs deaths, never a good job.
        trial.count("process deaths", len(worker.said("died")))
        _judge(trial, place, {job_id: POISONS[0]}, doubled=10_000)
        place.pulpo("jobs", "delete", job_id)


def _publish(trial: Trial, place: Place, poisons: tuple[Poison, ...], good_jobs: int) -> list[str]:
    """Publish poisons among good jobs; return the ids of the poisons."""
    ids = []
    share = good_jobs // (len(poisons) + 1)
    trial.count("good jobs", share * (len(poisons) + 1))
    with place.app() as app:
        for poison in (*poisons, None):
            for _ in range(share):
                message = pulpo.Message(type="ledger.note", body={"seconds": 0.005})
                place.ledger.note("attempted", message.id)
                place.ledger.note("accepted", app.publish(message).id)
            if poison is not None:
                ids.append(app.publish(pulpo.Message(type=poison.type, body=poison.body)).id)
    trial.count("poisons", len(poisons))
    return ids


def _wait(place: Place, worker: WorkerProcess, poisons: tuple[Poison, ...]) -> None:
    """Wait until nothing is left but what must be buried."""
    wanted = sum(bool(poison.buried_with) and not poison.may_end for poison in poisons)

    def over() -> bool:
        assert worker.runs(), worker.text[-2_000:]
        counts = place.stats()
        if counts["ready"] + counts["reserved"] or counts["buried"] < wanted:
            return False
        return not counts["delayed"] or not unsettled(place.waiting())

    until(over, f"the end of {[p.type for p in poisons]}", patience=PATIENCE, pause=0.2)


def _stop(trial: Trial, worker: WorkerProcess) -> None:
    code = worker.stop(timeout=20)
    trial.must(code == 0, f"the worker ended with {code}")


def _judge(
    trial: Trial, place: Place, poisons: dict[str, Poison], *, doubled: int | None = None
) -> None:
    buried = {job["id"] for job in place.waiting() if job["state"] == "buried"}
    wanted = {job_id for job_id, poison in poisons.items() if poison.buried_with}
    trial.must(buried <= wanted, f"{len(buried - wanted)} good jobs were buried")
    missing = {poisons[job_id].type for job_id in wanted - buried if not poisons[job_id].may_end}
    trial.must(not missing, f"not buried: {missing}")
    for job_id in buried & wanted:
        poison = poisons[job_id]
        error = place.show(job_id)["error"]
        trial.must(poison.buried_with in error, f"{poison.type}: {error[-300:]}")
    deaths = sum(2 for poison in poisons.values() if poison.kills) + PROCESSES
    bound = deaths * PROCESSES * THREADS if doubled is None else doubled
    account = place.account(kept=buried)
    trial.complaints += account.complaints(doubled=bound, begun_again=bound)
    trial.counted["done again"] = sum(account.doubled.values())
    forked = place.ledger.folder / "forked"
    pids = [int(line) for line in forked.read_text().split()] if forked.exists() else []
    left = [pid for pid in pids if _is_ours(pid)]
    trial.must(not left, f"{len(left)} of {len(pids)} forked processes are left")


def _is_ours(pid: int) -> bool:
    # A number may have been given to another process meanwhile; ours are children of a worker.
    if not is_alive(pid):
        return False
    with open(f"/proc/{pid}/cmdline", "rb") as file:
        return b"pulpo" in file.read() and pid != os.getpid()


ROWS = [
    Row(
        name="H1",
        says="jobs that harm their process",
        passes="buried with signal or exit code, 0 good jobs buried, all done, the worker lives",
        engines=ALL,
        short_on=BOTH,
        act=all_at_once,
        short={"good jobs": 340},
        full={"good jobs": 1_000},
    ),
    Row(
        name="H2",
        says="a deadly job over restarts of the server",
        passes="still buried",
        act=over_restarts,
        short={"restarts": 1},
        full={"restarts": 20},
        engines=("beanstalkd",),
    ),
    Row(
        name="H3",
        says="each harmful job alone among good ones",
        passes="the same, with at most 4 deaths of a process for each",
        act=one_by_one,
        short=None,
        full={"good jobs": 500},
        engines=ALL,
    ),
]
