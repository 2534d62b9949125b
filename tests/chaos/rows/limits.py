"""G1: memory has an end, for the server and for a worker. G2: so have descriptors."""

from __future__ import annotations

import contextlib
import threading
import time

import pulpo
from pulpo.app import Pulpo
from tests.chaos.row import BOTH, DURABLE, Row
from tests.chaos.rows.full_disks import idle, publish
from tests.chaos.trial import Trial
from tests.lab.beanstalkd import Beanstalkd
from tests.lab.place import Place
from tests.lab.processes import until

MODULE = "tests.chaos.scarce"
OPTIONS = ("--processes", "2", "--threads", "4")
PAD = "x" * 60_000
MOST_PUTS = 5_000
# A client hears of a server that cannot take it within this; with room for a busy machine.
ANSWER = 5.0 + 3.0
SERVER_FDS, CLIENTS = 24, 40
# So many short jobs a process of a database's worker may have run and not yet settled.
AHEAD = 128


def memory(trial: Trial) -> None:
    """Limit what a server may have, or a worker."""
    if trial.engine == "server":
        _little_memory_for_a_server(trial)
    else:
        _little_memory_for_a_worker(trial)


def _little_memory_for_a_server(trial: Trial) -> None:
    server = Beanstalkd("-f0", binlog=trial.folder / "binlog", limits=(f"--as={80 * 2**20}",))
    trial.stack.enter_context(server)
    place = trial.place_at(server.url, server)
    app = trial.stack.enter_context(contextlib.closing(place.app()))
    _fill(trial, place, app)
    with place.worker(*OPTIONS, module=MODULE) as worker:
        place.wait_until_all_done(patience=60)
        for _ in range(20):
            until(lambda: _accepted(place, app), "a publish is accepted again")
        place.wait_until_all_done(patience=60)
        trial.must(worker.stop() == 0, "the worker ends well")
        trial.must(not worker.said("died"), "no process has died")
    trial.audit(place)


def _fill(trial: Trial, place: Place, app: Pulpo) -> None:
    """Publish until there is no memory."""
    for _ in range(MOST_PUTS):
        try:
            publish(place, app, "ledger.note", {"pad": PAD})
        except pulpo.QueueFullError as error:
            trial.count("refused as full")
            trial.must("memory" in str(error), f"the error names the memory: {error}")
            return
    trial.must(False, f"{MOST_PUTS} jobs were not too many")


def _little_memory_for_a_worker(trial: Trial) -> None:
    place = trial.place()
    app = trial.stack.enter_context(contextlib.closing(place.app()))
    # One arena: each takes 64 MB of addresses, whatever it uses.
    worker = place.worker(*OPTIONS, module=MODULE, MALLOC_ARENA_MAX="1")
    worker.limited(f"--as={300 * 2**20}")
    good = trial.figures["jobs"]
    with worker:
        worker.ready()
        for _ in range(good // 4):
            publish(place, app, "ledger.note")
        hungry = _publish_aside(place, app, "scarce.hungry")
        greedy = _publish_aside(place, app, "scarce.greedy")
        for _ in range(good - good // 4):
            publish(place, app, "ledger.note")
        place.wait_until_all_done(patience=60)
        until(lambda: place.stats()["buried"] == 2, "both are buried", patience=90)
        until(lambda: len(worker.children()) >= 2, "all processes are back")
        for _ in range(20):
            publish(place, app, "ledger.note")
        place.wait_until_all_done(patience=60)
        trial.must(worker.stop() == 0, "the worker ends well")
    deaths = len(worker.said("died"))
    trial.count("deaths", deaths)
    trial.must(1 <= deaths <= 4, f"{deaths} processes have died of it")
    waiting = {job["id"]: job for job in place.waiting()}
    trial.must(waiting.keys() == {hungry, greedy}, "nothing else is buried")
    why = str(place.show(hungry)["error"])
    trial.must("SIGABRT" in why, f"the reason names the signal: {why}")
    why = str(place.show(greedy)["error"])
    trial.must("MemoryError" in why, f"the reason names the error: {why}")
    # What ran beside it when it died runs again, and what had ended and was not told yet.
    ahead = AHEAD if trial.engine == "postgresql" else 0
    trial.audit(place, doubled=deaths * (8 + ahead), begun_again=deaths * (10 + ahead))


def _publish_aside(place: Place, app: Pulpo, kind: str) -> str:
    """Publish what will never be done."""
    message = pulpo.Message(type=kind, body={})
    place.ledger.note("attempted", message.id)
    return app.publish(message).id


def _accepted(place: Place, app: Pulpo) -> bool:
    try:
        publish(place, app, "ledger.note")
    except pulpo.QueueError:
        return False
    return True


def descriptors_of_a_server(trial: Trial) -> None:
    """Connect more clients than the server has descriptors for."""
    limits = (f"--nofile={SERVER_FDS}",)
    server = Beanstalkd("-f0", binlog=trial.folder / "binlog", limits=limits)
    trial.stack.enter_context(server)
    place = trial.place_at(server.url, server)
    for _ in range(trial.figures["rounds"]):
        clients, over = [place.app() for _ in range(CLIENTS)], threading.Barrier(CLIENTS + 1)
        before = time.process_time()
        threads = [
            threading.Thread(target=_try, args=(trial, place, client, over), daemon=True)
            for client in clients
        ]
        started = time.monotonic()
        for thread in threads:
            thread.start()
        with contextlib.suppress(threading.BrokenBarrierError):
            over.wait(60)
        for thread in threads:
            thread.join(5)
        trial.must(not any(thread.is_alive() for thread in threads), "a client hangs")
        took, used = time.monotonic() - started, time.process_time() - before
        trial.must(used < took / 2 + 1, f"the clients have used {used:.1f} s of the CPU")
        for client in clients:
            client.close()
    trial.must(trial.counted["refused"], "some were refused")
    trial.must(trial.counted["served"], "some were served")
    with contextlib.closing(place.app()) as app, place.worker(*OPTIONS) as worker:
        until(lambda: _accepted(place, app), "the server has recovered")
        place.wait_until_all_done()
        trial.must(worker.stop() == 0, "the worker ends well")
    trial.audit(place)


def _try(trial: Trial, place: Place, client: Pulpo, over: threading.Barrier) -> None:
    """Publish once, and keep the connection until all have tried."""
    started = time.monotonic()
    try:
        publish(place, client, "ledger.note")
    except pulpo.QueueUnavailableError:
        trial.count("refused")
    except Exception as error:
        trial.must(False, f"a client met {error!r}")
    else:
        trial.count("served")
    took = time.monotonic() - started
    trial.must(took < ANSWER, f"a client had its answer after {took:.1f} s")
    over.wait(60)


def descriptors_of_a_worker(trial: Trial) -> None:
    """Let handlers take every descriptor that a worker may have, and give them back."""
    place = trial.place()
    app = trial.stack.enter_context(contextlib.closing(place.app()))
    gate = place.ledger.folder / "gate"
    worker = place.worker("--processes", "1", "--threads", "4", module=MODULE)
    with worker.limited("--nofile=30"):
        worker.ready()
        for _ in range(trial.figures["jobs"]):
            publish(place, app, "ledger.note")
        place.wait_until_all_done()
        publish(place, app, "scarce.opens")
        until((place.ledger.folder / "starved").exists, "no descriptor is left")
        if place.server is not None:
            place.server.restart()  # and no socket for a new connection
        for _ in range(trial.figures["jobs"]):
            until(lambda: _accepted(place, app), "a publish is accepted")
        trial.must(idle(trial, worker), "a worker without descriptors spins")
        gate.touch()
        place.wait_until_all_done(patience=60)
        place.wait_until_empty(patience=60)
        trial.must(worker.stop() == 0, "the worker ends well")
        trial.must(not worker.said("died"), "no process has died")
    # The server was started anew under the run that held the descriptors; and what a database has
    # not on its disk in that moment is run again.
    unsynced = trial.figures["jobs"] if trial.engine == "postgresql" else 0
    trial.audit(place, doubled=1 + unsynced)


def descriptors(trial: Trial) -> None:
    """Limit what a server may open, or a worker."""
    if trial.engine == "server":
        descriptors_of_a_server(trial)
    else:
        descriptors_of_a_worker(trial)


ROWS = [
    Row(
        name="G1",
        says="memory has an end",
        passes="refused as full, 0 lost; a worker process over it is replaced, the job is buried",
        act=memory,
        engines=("server", *DURABLE),
        short_on=("server", *BOTH),
        needs=("prlimit", "beanstalkd"),
        short={"jobs": 100},
        full={"jobs": 2_000},
    ),
    Row(
        name="G2",
        says="descriptors have an end",
        passes="a clean error within 5 s, no hang, no spinning, all recovers",
        act=descriptors,
        engines=("server", *DURABLE),
        short_on=("server", *BOTH),
        needs=("prlimit", "beanstalkd"),
        short={"jobs": 30, "rounds": 1},
        full={"jobs": 300, "rounds": 10},
    ),
]
