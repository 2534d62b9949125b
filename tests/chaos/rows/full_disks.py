"""F1, F2: the disk of the queue is full. F3: its writes fail."""

from __future__ import annotations

import contextlib
import time
from functools import partial
from pathlib import Path

import pulpo
from pulpo.app import Pulpo
from tests.chaos.ending import integrity
from tests.chaos.row import Row
from tests.chaos.trial import Trial
from tests.lab.beanstalkd import Beanstalkd
from tests.lab.disks import grow, small_disk
from tests.lab.late_unlink import late_unlink
from tests.lab.place import Place
from tests.lab.processes import WorkerProcess, until
from tests.lab.sampler import sample
from tests.lab.shim import FailingDisk

OPTIONS = ("--processes", "1", "--threads", "8")
MODULE = "tests.chaos.scarce"
# Of one core, of a worker that can do nothing.
MOST_CPU = 0.5
WATCHED = 2.0
# So many fail at their first attempt while the disk is full.
FLAKY = 20


def full_file(trial: Trial) -> None:
    """Refuse puts while there is room to settle; then leave no room at all, and then enough."""
    disk = trial.stack.enter_context(small_disk(trial.folder / "disk", size="44m"))
    place = trial.place_at(f"sqlite:///{disk}/q/queue.db")
    ballast = disk / "ballast"
    with place.worker(*OPTIONS, module=MODULE) as worker, contextlib.closing(place.app()) as app:
        for n in range(trial.figures["jobs"]):
            publish(place, app, "ledger.note", {"pad": "x" * (n % 2_000)})
        ballast.write_bytes(bytes(12 * 2**20))
        refused = refused_at_last(trial, place, app)
        trial.must(
            "are free" in str(refused), f"a put is refused before the disk is full: {refused}"
        )
        place.wait_until_all_done()

        ballast.unlink()
        until(lambda: accepted(place, app, "ledger.gated"), "there is room again")
        for kind in ("ledger.gated",) * 5 + ("ledger.flaky", "ledger.note") * FLAKY:
            publish(place, app, kind)
        until(lambda: place.stats()["reserved"] >= 6, "jobs are in hand")
        fill(ballast)
        (place.ledger.folder / "gate").touch()
        trial.must(idle(trial, worker), "a worker on a full disk spins")
        ballast.unlink()
        place.wait_until_all_done()
        trial.must(worker.stop() == 0, "the worker ends well")
        trial.must(not worker.said("died"), "no process has died")
    trial.audit(place, begun_again=FLAKY)
    trial.must(integrity(disk / "q" / "queue.db") == "ok", "the file is whole")
    place.ledger.close()


def full_binlog(trial: Trial) -> None:
    """Fill the disk behind a server; then settle in every way there is."""
    disk = trial.stack.enter_context(small_disk(trial.folder / "disk", size="1m"))
    server = Beanstalkd("-s", "65536", "-f0", binlog=disk / "binlog")
    trial.stack.enter_context(server)
    place = trial.place_at(server.url, server)
    app = trial.stack.enter_context(contextlib.closing(place.app()))
    # What cannot be settled is reserved first.
    for kind in ("ledger.flaky", "ledger.fatal", "scarce.snoozes", "ledger.note"):
        for _ in range(trial.figures["jobs"]):
            publish(place, app, kind)
    for pad in ("x" * 1_000, ""):
        refused = refused_at_last(trial, place, app, queue="filler", headers={"pad": pad})
        says = str(refused)
        trial.must("disk" in says and "memory" in says, f"the error names both: {says}")

    with place.worker(*OPTIONS, "-q", "default", module=MODULE) as worker:
        place.wait_for("begun", 4 * trial.figures["jobs"])
        place.wait_for("done", trial.figures["jobs"], patience=5)
        trial.must(idle(trial, worker), "a worker behind a full disk spins")
        begun = place.ledger.count("begun")
        trial.must(
            begun == 4 * trial.figures["jobs"], f"what cannot be settled runs again: {begun}"
        )
        trial.must(worker.stop() == 0, "the worker ends well")
    counts = place.stats()
    trial.must(not counts["reserved"], f"{counts['reserved']} jobs are reserved by nobody")
    # Room comes from outside: the files of a binlog are given back from the oldest on, and what
    # could not be settled is in the first.
    grow(disk, size="8m")
    with place.worker(*OPTIONS, "-q", "default", "-q", "filler", module=MODULE) as worker:
        for queue in ("default", "filler"):
            until(partial(_is_at_its_end, place, queue), f"{queue} done or buried", patience=60)
        trial.must(worker.stop() == 0, "the worker ends well")
    server.restart()
    trial.must(_is_at_its_end(place, "default"), "a restart brings nothing back")
    buried = [job["type"] for job in place.waiting()]
    trial.must(set(buried) == {"ledger.fatal"}, f"what fails for good is buried: {buried}")
    trial.must(len(buried) == trial.figures["jobs"], f"all of it, once: {len(buried)}")
    trial.audit(place, begun_again=10**6)


def failing_binlog(trial: Trial) -> None:
    """Let every write to the log fail: the server goes on without it, and says so to nobody."""
    disk = FailingDisk(trial.folder / "flag", match="binlog.")
    # And one that gives up no old file before its last job is in the new one: it would lose that
    # job by itself where the write fails.
    preload = f"{late_unlink()['LD_PRELOAD']}:{disk.environ['LD_PRELOAD']}"
    environ = {**disk.environ, "LD_PRELOAD": preload}
    server = Beanstalkd("-f0", binlog=trial.folder / "binlog", environ=environ)
    trial.stack.enter_context(server)
    place = trial.place_at(server.url, server)
    app = trial.stack.enter_context(contextlib.closing(place.app()))
    for _ in range(trial.figures["jobs"]):
        publish(place, app, "ledger.note", queue="later")
    disk.fail()
    trial.must(not accepted(place, app, "ledger.note"), "a publish is refused")
    _ask_the_doctor(trial, place)
    _start_anew(disk, server)
    with place.worker(*OPTIONS, "-q", "default", module=MODULE) as worker:
        worker.ready()
        until(lambda: accepted(place, app, "ledger.note"), "a publish is accepted again")
        place.wait_for("done", 1)
        # The first write that fails is told to whoever asked for it: this delete would hear it.
        place.wait_until_empty()
        disk.fail()
        # Somebody waits for it now, and runs it, though nobody promised that.
        trial.must(not accepted(place, app, "ledger.note"), "a publish is refused")
        trial.must(idle(trial, worker), "a worker spins")
        _start_anew(disk, server)
        until(lambda: accepted(place, app, "ledger.note"), "a publish is accepted again")
        place.wait_for("done", 2)
        trial.must(worker.stop() == 0, "the worker ends well")
        trial.must(not worker.said("died"), "no process has died")
    with place.worker(*OPTIONS, "-q", "later", "-q", "default", module=MODULE) as worker:
        place.wait_until_all_done()
        trial.must(worker.stop() == 0, "the worker ends well")
    # A delete that was under way when the log failed, or when the server was started anew.
    trial.audit(place, doubled=2)


def _ask_the_doctor(trial: Trial, place: Place) -> None:
    said = place.pulpo("doctor", "--json")
    trial.must(said.code == 1, f"doctor ends with {said.code}, not 1")
    faults = [check["name"] for check in said.lines[0]["checks"] if check["level"] == "fault"]
    trial.must("writes" in faults, f"doctor finds the writes at fault: {faults}")


def _start_anew(disk: FailingDisk, server: Beanstalkd) -> None:
    disk.heal()
    server.restart()


def publish(
    place: Place,
    app: Pulpo,
    kind: str,
    headers: dict[str, object] | None = None,
    *,
    queue: str = "default",
) -> None:
    """Publish one job and keep the ledger."""
    message = pulpo.Message(type=kind, body={}, headers=headers or {}, queue=queue)
    place.ledger.note("attempted", message.id)
    app.publish(message)
    place.ledger.note("accepted", message.id)


def accepted(place: Place, app: Pulpo, kind: str) -> bool:
    """Publish one job; tell whether it was accepted."""
    try:
        publish(place, app, kind)
    except pulpo.QueueError:
        return False
    return True


def refused_at_last(
    trial: Trial,
    place: Place,
    app: Pulpo,
    *,
    queue: str = "default",
    headers: dict[str, object] | None = None,
) -> pulpo.QueueFullError:
    """Publish until the queue is full; the room is looked at about once a second."""
    end = time.monotonic() + 30
    while time.monotonic() < end:
        try:
            publish(place, app, "ledger.note", headers, queue=queue)
        except pulpo.QueueFullError as error:
            trial.count("refused as full")
            return error
        trial.count("accepted before it was full")
    raise AssertionError("the queue was never full")


def fill(ballast: Path) -> None:
    """Leave no byte on a disk."""
    with contextlib.suppress(OSError), ballast.open("wb", buffering=0) as file:
        for size in (2**20, 2**12, 1):
            with contextlib.suppress(OSError):
                while file.write(bytes(size)) == size:
                    pass


def idle(trial: Trial, worker: WorkerProcess) -> bool:
    """Watch a worker for a while; tell whether it takes little of the CPU."""
    before = sample([worker.pid, *worker.children()])
    time.sleep(WATCHED)
    after = sample([worker.pid, *worker.children()])
    used = (after.cpu - before.cpu) / (after.at - before.at)
    trial.count("CPU in trouble, in %", round(used * 100))
    return used < MOST_CPU


def _is_at_its_end(place: Place, queue: str) -> bool:
    counts = place.stats(queue)
    return not any(counts[state] for state in ("ready", "reserved", "delayed"))


ROWS = [
    Row(
        name="F1",
        says="the disk of a queue file is full",
        passes="puts are refused while settles go on; with room again 0 lost, 0 done twice",
        act=full_file,
        engines=("sqlite",),
        needs=("small disk",),
        short={"jobs": 200},
        full={"jobs": 2_000},
    ),
    Row(
        name="F2",
        says="the disk of a binlog is full",
        passes="good jobs go on, no job in limbo, the error names both, after a restart 0 lost",
        act=full_binlog,
        engines=("beanstalkd",),
        needs=("small disk",),
        short={"jobs": 5},
        full={"jobs": 30},
    ),
    Row(
        name="F3",
        says="writes to a binlog fail",
        passes="a publish is refused, doctor is red, the worker does not spin",
        act=failing_binlog,
        engines=("beanstalkd",),
        needs=("compiler",),
        short={"jobs": 20},
        full={"jobs": 500},
    ),
]
