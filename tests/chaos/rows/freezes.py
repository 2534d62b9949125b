"""D1, D2, D4: a process, a whole worker or an interpreter stands still in the middle of jobs."""

from __future__ import annotations

import os
import signal
import time
from collections import Counter

import pulpo
from tests.chaos import holding
from tests.chaos.ending import end_well
from tests.chaos.row import ALL, DURABLE, Row
from tests.chaos.trial import Trial
from tests.lab.place import Place
from tests.lab.processes import WorkerProcess, until

TTR, JOBS = 5.0, 20
# Beyond what is promised, for a busy machine.
ROOM = 3.0
# More threads than jobs: whoever is left takes over what the other held.
THREADS = 2 * JOBS


def one_process(trial: Trial) -> None:
    """Stop one of two processes; its supervisor must see that it does not beat any more."""
    place = trial.place()
    taken_over = 0
    with place.worker("--threads", str(THREADS)) as worker:
        until(lambda: len(worker.ready().children()) == 2, "two processes")
        for n in range(trial.figures["times"]):
            before = place.ledger.count("begun")
            _publish_gated(place)
            place.wait_for("begun", before + JOBS)
            holders = Counter(entry.pid for entry in place.ledger.read("begun")[before:])
            victim = trial.chosen.choice(sorted(holders))
            started = time.monotonic()
            os.kill(victim, signal.SIGSTOP)
            trial.count("processes stopped")
            taken_over += holders[victim]
            place.wait_for("begun", before + JOBS + holders[victim])
            _must_take(trial, time.monotonic() - started, 2 * TTR)
            # A lease may end a moment before the supervisor loses its patience.
            until(lambda n=n: len(worker.said("died")) > n, "the end of the frozen process")  # type: ignore[misc]
            _open_gate(place)
            until(lambda: len(worker.children()) == 2, "two processes again")
        died = [line["reason"] for line in worker.said("died")]
        # Killed while it stood still: it has ended none of its jobs.
        end_well(trial, place, [worker])
    trial.must(len(died) == trial.figures["times"], f"processes died: {died}")
    trial.must(all("no beat" in reason for reason in died), f"killed for another reason: {died}")
    trial.count("jobs taken over", taken_over)
    trial.audit(place, begun_again=taken_over)
    _must_spend_nothing(trial, place)


def whole_worker(trial: Trial) -> None:
    """Stop a worker with its supervisor; only leases and the end of its sockets give jobs back."""
    place = trial.place()
    for n in range(trial.figures["times"]):
        before = place.ledger.count("begun")
        with place.worker("--threads", str(JOBS)) as frozen:
            until(lambda frozen=frozen: len(frozen.ready().children()) == 2, "two processes")  # type: ignore[misc]
            _publish_gated(place)
            place.wait_for("begun", before + JOBS)
            with place.worker("--processes", "1", "--threads", str(THREADS)) as other:
                other.ready()
                _stop_all(frozen)
                trial.count("workers stopped")
                _wait_for_leases(trial, place, before + 2 * JOBS)
                # By turns: what the frozen one has still to say is said, and nobody listens to it.
                if n % 2 == trial.on_beanstalkd:
                    (place.ledger.folder / "gate").touch()
                    if trial.engine == "sqlite":
                        place.wait_until_all_done()  # by the other one
                    _go_on(frozen)
                    trial.count("workers thawed")
                else:
                    frozen.kill()
                    trial.count("workers killed")
                    place.wait_for("begun", before + 2 * JOBS)
                    _open_gate(place)
                place.wait_until_all_done()
                ends = [other] + ([frozen] if frozen.runs() else [])
                end_well(trial, place, ends)
    trial.audit(place, doubled=trial.figures["times"] * JOBS)
    _must_spend_nothing(trial, place)


def interpreter(trial: Trial) -> None:
    """Let handlers hold the interpreter, so that their process does not beat."""
    place = trial.place()
    with place.app() as app:
        held = []
        for kind in holding.TYPES[: trial.figures["holders"]]:
            held.append(app.publish(pulpo.Message(type=kind, body={})).id)
            for _ in range(trial.figures["good jobs"] // trial.figures["holders"]):
                good = pulpo.Message(type="ledger.note", body={"seconds": 0.02})
                place.ledger.note("attempted", good.id)
                place.ledger.note("accepted", app.publish(good).id)
    with place.worker(holding.__name__, "--threads", "4") as worker:
        place.wait_until_all_done(patience=120)
        until(lambda: place.stats()["buried"] == len(held), "all are buried", patience=120)
        died = [line["reason"] for line in worker.said("died")]
        trial.must(worker.ready().stop() == 0, "the worker ends well")
    trial.count("processes killed", len(died))
    trial.must(all("no beat" in reason for reason in died), f"killed for another reason: {died}")
    # Mostly two each; one where its queue has counted a reservation that nobody has begun.
    trial.must(len(held) <= len(died) <= 2 * len(held) + 2, f"{len(died)} processes were killed")
    for job_id in held:
        job = place.show(job_id)
        trial.must("timed out after 2s" in str(job["error"]), f"buried with {job['error']}")
    trial.must({job["id"] for job in place.waiting()} == set(held), "nothing else is left")
    # The audit's own look at the queue finds the holders, which no ledger knows.
    trial.audit(place, doubled=len(died) * 4)


def _publish_gated(place: Place) -> None:
    """Publish jobs that last until the gate is open, with the shortest lease."""
    (place.ledger.folder / "gate").unlink(missing_ok=True)
    with place.app() as app:
        for _ in range(JOBS):
            message = pulpo.Message(type="ledger.gated", body={}, ttr=TTR)
            place.ledger.note("attempted", message.id)
            place.ledger.note("accepted", app.publish(message).id)


def _open_gate(place: Place) -> None:
    (place.ledger.folder / "gate").touch()
    place.wait_until_all_done()


def _stop_all(worker: WorkerProcess) -> None:
    # The supervisor first: it would kill what does not beat.
    for pid in (worker.pid, *worker.children()):
        os.kill(pid, signal.SIGSTOP)


def _go_on(worker: WorkerProcess) -> None:
    for pid in (*worker.children(), worker.pid):
        os.kill(pid, signal.SIGCONT)


def _wait_for_leases(trial: Trial, place: Place, begun: int) -> None:
    """Wait for what leases give back: all of it, or whatever the server's timers do."""
    started = time.monotonic()
    before = begun - JOBS
    if trial.on_beanstalkd:
        while time.monotonic() - started < trial.figures["seconds"]:
            time.sleep(0.2)
            if place.ledger.count("begun") >= begun:
                break
        trial.count("back by the server's timers", place.ledger.count("begun") - before)
        return
    place.wait_for("begun", begun, patience=60)
    _must_take(trial, time.monotonic() - started, 3 * TTR)


def _must_take(trial: Trial, took: float, at_most: float) -> None:
    most = max(trial.counted["longest until back, in ms"], round(took * 1000))
    trial.counted["longest until back, in ms"] = most
    trial.must(took <= at_most + ROOM, f"jobs ran elsewhere after {took:.1f} s")


def _must_spend_nothing(trial: Trial, place: Place) -> None:
    attempts = {entry.facts["attempt"] for entry in place.ledger.read("begun")}
    trial.must(attempts == {1}, f"attempts were spent: {attempts}")


ROWS = [
    Row(
        name="D1",
        says="a worker process is frozen",
        passes="its jobs run elsewhere within 2 x ttr, its outcomes are dropped, 0 lost",
        act=one_process,
        engines=ALL,
        short_on=DURABLE,
        short={"times": 1},
        full={"times": 20},
    ),
    Row(
        name="D2",
        says="a whole worker is frozen",
        passes="file: all back within 3 x ttr; beanstalkd: all once it is killed; 0 lost",
        act=whole_worker,
        engines=ALL,
        short_on=DURABLE,
        short={"times": 1, "seconds": 7},
        full={"times": 6, "seconds": 15},
    ),
    Row(
        name="D4",
        says="a handler holds the interpreter",
        passes="its process is killed, it is isolated and buried, all others are done",
        act=interpreter,
        engines=ALL,
        short_on=DURABLE,
        short={"holders": 1, "good jobs": 100},
        full={"holders": 2, "good jobs": 1_000},
    ),
]
