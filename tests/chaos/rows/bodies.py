"""L1: any bytes as the body of a job, put by somebody who checks nothing, good jobs between them.

What must become of each body is said before it is put, and seen to. beanstalkd's clock runs fast,
or each body that is no job would be tried for half a minute.
"""

from __future__ import annotations

import json
import time
from pathlib import Path

import msgpack

from tests.chaos import fuzz
from tests.chaos.fates import End, Fates, fate_of, rewritten
from tests.chaos.row import BOTH, DURABLE, Row
from tests.chaos.strangers import Stranger, by_database, by_socket, by_sql
from tests.chaos.trial import Trial
from tests.lab.beanstalkd import Beanstalkd
from tests.lab.needs import find_faketime
from tests.lab.place import Place
from tests.lab.postgresql import PostgreSQL
from tests.lab.processes import WorkerProcess
from tests.lab.sampler import Sampler

MODULE = "tests.chaos.any_body"
TYPES = (fuzz.TYPE, "good")
WAVE = 5_000
# So many are ready at least: while the last ones back off, the next ones are tried.
AHEAD = 20_000
# What a process needs for all kinds of bodies, it has needed after so many.
MOST_WARM_UP = 20_000
GOOD_EVERY = 100
MOST_GROWTH = 50 * 2**20
# So long nothing may end while something is open, in seconds.
PATIENCE = 60.0
# The looks take this part of a core at most, or they would be what is measured.
PART = 0.25
_FAST = {"FAKETIME": "+0 x20", "DONT_FAKE_MONOTONIC": "1", "TZ": "UTC"}


class _Flood:
    """Bodies on their way through a worker, and what has become of them."""

    def __init__(self, trial: Trial, stranger: Stranger, notes: Path) -> None:
        self.fates = Fates()
        self._trial = trial
        self._stranger = stranger
        self._notes = notes
        self._read = 0
        self._good = 0

    def run(self, bodies: int, worker: WorkerProcess) -> None:
        """Put so many bodies, and wait for the end of each."""
        left, alive = bodies, time.monotonic()
        while left or self.fates.waited_for:
            assert worker.runs(), worker.text[-2_000:]
            while left and self._stranger.waiting()[0] < AHEAD:
                self._put(min(left, WAVE))
                left -= min(left, WAVE)
            began = time.monotonic()
            if self._look():
                alive = time.monotonic()
            assert time.monotonic() - alive < PATIENCE, self._open()
            time.sleep((time.monotonic() - began) * (1 / PART - 1))

    def _put(self, count: int) -> None:
        bodies = []
        for number in range(count):
            kind, data = fuzz.body(self._trial.chosen)
            self._trial.count(kind)
            bodies.append(data)
            if number % GOOD_EVERY == 0:
                self._good += 1
                bodies.append(msgpack.packb([1, {"type": "good", "id": f"good-{self._good}"}, {}]))
        self._trial.count("bodies", count)
        now = time.time()
        fates = [fate_of(data, types=TYPES, now=now) for data in bodies]
        for given, fate in zip(self._stranger.put(bodies), fates, strict=True):
            self.fates.expect(given, fate)

    def _look(self) -> int:
        """Look what has run and what has come to rest; return how many that were."""
        ran = self._ran()
        for name in ran:
            self.fates.ran(name)
        resting = [
            found
            for found in self._stranger.look(rewritten)
            if self.fates.is_at_rest(found.made, buried=found.buried)
        ]
        taken = self._stranger.take(resting)
        for found in taken:
            self.fates.kept(found.made, buried=found.buried)
        return len(ran) + len(taken)

    def _ran(self) -> list[str]:
        """Return the ids of the runs that were noted since the last call."""
        try:
            with self._notes.open("rb") as file:
                file.seek(self._read)
                # Whole lines: who reads while others write may see the beginning of one.
                text = file.read().rpartition(b"\n")
        except FileNotFoundError:
            return []
        self._read += len(text[0]) + len(text[1])
        return [json.loads(line)["id"] for line in text[0].splitlines()]

    def _open(self) -> str:
        some = [f"{name}: {fate.end.value}" for name, fate in self.fates.open.items()][:5]
        return f"{self.fates.waited_for} bodies have not ended in {PATIENCE:g} s, as {some}"


def act(trial: Trial) -> None:
    """Let a flood go through a worker, and look for its traces."""
    place = _place(trial)
    with place.worker("--processes", "2", "-q", "default", module=MODULE) as worker:
        worker.ready()
        stranger = _stranger(trial, place)
        flood = _Flood(trial, stranger, place.ledger.folder / "done")
        bodies = trial.figures["bodies"]
        warm_up = min(bodies // 2, MOST_WARM_UP)
        flood.run(warm_up, worker)
        began = time.monotonic()
        with Sampler(lambda: worker.children(), every=0.5) as sampler:
            flood.run(bodies - warm_up, worker)
        trial.count("bodies a second", int((bodies - warm_up) / (time.monotonic() - began)))
        trial.must(worker.stop(timeout=60) == 0, "the worker ended with 0")
    trial.must(not worker.said("died"), f"processes died: {worker.said('died')[:3]}")
    _judge(trial, flood.fates, there=stranger.waiting()[1])
    sizes = [each.rss for each in sampler.samples]
    trial.must(sizes, "memory was looked at")
    growth = max(sizes) - sizes[0] if sizes else 0
    trial.count("MB grown", growth >> 20)
    trial.must(growth < MOST_GROWTH, f"the processes have grown by {growth >> 20} MB")


def _judge(trial: Trial, fates: Fates, *, there: int) -> None:
    trial.must(there == 0, f"{there} jobs are left whose bodies have ended")
    fates.close()
    trial.complaints += fates.complaints()
    for end in End:
        trial.count(end.value, fates.ended[end])
        trial.must(fates.ended[end], f"nothing was {end.value}")
    missing = [kind for kind in fuzz.BODIES if not trial.counted[kind]]
    trial.must(not missing, f"no bodies of a kind: {missing}")


def _place(trial: Trial) -> Place:
    if trial.engine != "beanstalkd":
        return trial.place()
    environ = {**_FAST, "LD_PRELOAD": find_faketime() or ""}
    server = trial.stack.enter_context(Beanstalkd(environ=environ))
    return trial.place_at(server.url, server)


def _stranger(trial: Trial, place: Place) -> Stranger:
    if isinstance(place.server, Beanstalkd):
        stranger = by_socket(place.server.port)
    else:
        place.stats()  # makes the file, or the tables
        stranger = (
            by_database(place.server.url)
            if isinstance(place.server, PostgreSQL)
            else by_sql(trial.folder / "queue.db")
        )
    trial.stack.callback(stranger.close)
    return stranger


ROWS = [
    Row(
        name="L1",
        says="any bytes as the body of a job",
        passes="no process dies or grows by 50 MB, each body is run or buried as undecodable (or "
        "waits for other code, or expires, where it says so), good jobs between them are done",
        act=act,
        engines=DURABLE,
        short_on=BOTH,
        short={"bodies": 10_000},
        full={"bodies": 1_000_000},
        needs=("faketime",),
    )
]
