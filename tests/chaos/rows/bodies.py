"""L1: any bytes as the body of a job, put by a socket that checks nothing, good jobs between them.

The server's clock runs fast, or each body that is no job would be tried for half a minute.
"""

from __future__ import annotations

import itertools
import socket
from collections.abc import Iterable

import msgpack

from pulpo.codec import Codec
from pulpo.errors import DecodeError
from tests.chaos import fuzz
from tests.chaos.row import Row
from tests.chaos.trial import Trial
from tests.lab.beanstalkd import Beanstalkd
from tests.lab.needs import find_faketime
from tests.lab.place import Place
from tests.lab.processes import WorkerProcess, until
from tests.lab.sampler import Sampler

MODULE = "tests.chaos.any_body"
# Bodies in one wave; what is buried is looked at and deleted after each.
WAVE = 20_000
FLIGHT = 200
GOOD_EVERY = 100
MOST_GROWTH = 50 * 2**20
PATIENCE = 300.0
_FAST = {"FAKETIME": "+0 x20", "DONT_FAKE_MONOTONIC": "1", "TZ": "UTC"}


class Stranger:
    """A socket to beanstalkd that puts what it is given and deletes by number."""

    def __init__(self, port: int) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port))
        self._lines = self._socket.makefile("rb")

    def put(self, bodies: Iterable[bytes]) -> list[int]:
        """Put bodies in flights; return their numbers."""
        numbers: list[int] = []
        for flight in _flights(bodies):
            self._socket.sendall(
                b"".join(b"put 65536 0 86400 %d\r\n%b\r\n" % (len(b), b) for b in flight)
            )
            for _ in flight:
                line = self._lines.readline()
                assert line.startswith(b"INSERTED "), line
                numbers.append(int(line.split()[1]))
        return numbers

    def counts(self) -> dict[str, int]:
        """Return how many jobs of the default queue are in which state."""
        self._socket.sendall(b"stats-tube default\r\n")
        size = int(self._lines.readline().split()[1])
        stats = self._lines.read(size + 2).decode()
        lines = [line.partition(": ") for line in stats.splitlines()]
        return {
            name.removeprefix("current-jobs-"): int(value)
            for name, _, value in lines
            if name.startswith("current-jobs-")
        }

    def peek(self, numbers: range) -> list[bytes]:
        """Return the bodies of those jobs that are there."""
        found = []
        for flight in _flights(numbers):
            self._socket.sendall(b"".join(b"peek %d\r\n" % number for number in flight))
            for _ in flight:
                line = self._lines.readline()
                if line.startswith(b"FOUND "):
                    found.append(self._lines.read(int(line.split()[2]) + 2)[:-2])
        return found

    def delete(self, numbers: range) -> int:
        """Delete those jobs that are there; return how many were."""
        deleted = 0
        for flight in _flights(numbers):
            self._socket.sendall(b"".join(b"delete %d\r\n" % number for number in flight))
            deleted += sum(self._lines.readline() == b"DELETED\r\n" for _ in flight)
        return deleted

    def close(self) -> None:
        """Close the socket."""
        self._lines.close()
        self._socket.close()


def _flights(items: Iterable[object]) -> Iterable[list]:  # type: ignore[type-arg]  # of any kind
    rest = iter(items)
    while flight := list(itertools.islice(rest, FLIGHT)):
        yield flight


def act(trial: Trial) -> None:
    """Put bodies in waves; after each wave every one of them has ended."""
    environ = {**_FAST, "LD_PRELOAD": find_faketime() or ""}
    server = trial.stack.enter_context(Beanstalkd(environ=environ))
    place = trial.place_at(server.url, server)
    stranger = Stranger(server.port)
    trial.stack.callback(stranger.close)
    left, first = trial.figures["bodies"], 1
    with place.worker("--processes", "2", "-q", "default", module=MODULE) as worker:
        worker.ready()
        # What a process needs for all kinds of bodies, it has needed after these.
        first = _wave(trial, place, stranger, worker, min(left // 2, WAVE), first)
        with Sampler(lambda: worker.children(), every=0.5) as sampler:
            while left > 0:
                first = _wave(trial, place, stranger, worker, min(left, WAVE), first)
                left -= WAVE
        trial.must(not worker.said("died"), f"processes died: {worker.said('died')[:3]}")
        trial.must(worker.stop(timeout=60) == 0, "the worker ended with 0")
    sizes = [each.rss for each in sampler.samples]
    trial.must(sizes, "memory was looked at")
    growth = max(sizes) - sizes[0] if sizes else 0
    trial.count("MB grown", growth >> 20)
    trial.must(growth < MOST_GROWTH, f"the processes have grown by {growth >> 20} MB")
    trial.must(trial.counted["bodies"] >= trial.figures["bodies"], "all bodies were put")
    missing = [kind for kind in fuzz.BODIES if not trial.counted[kind]]
    trial.must(not missing, f"no bodies of a kind: {missing}")


def _wave(
    trial: Trial, place: Place, stranger: Stranger, worker: WorkerProcess, size: int, first: int
) -> int:
    """Put bodies and good jobs, wait for their ends, judge and remove them."""
    good = [f"good-{first}-{n}" for n in range(size // GOOD_EVERY)]
    bodies: list[bytes] = []
    undecodable = 0
    for number in range(size):
        kind, data = fuzz.body(trial.chosen)
        trial.count(kind)
        undecodable += _is_undecodable(data)
        bodies.append(data)
        if number % GOOD_EVERY == 0:
            job_id = good[number // GOOD_EVERY]
            bodies.append(msgpack.packb([1, {"type": "good", "id": job_id}, {}]))
    trial.count("bodies", size)
    trial.count("undecodable", undecodable)
    stranger.put(bodies)

    def over() -> bool:
        assert worker.runs(), worker.text[-2_000:]
        counts = stranger.counts()
        return counts["buried"] >= undecodable and not counts["ready"] + counts["reserved"]

    until(over, f"the end of a wave, {undecodable} of it buried", patience=PATIENCE, pause=0.1)
    done = {entry.id for entry in place.ledger.read("done")}
    trial.must(set(good) <= done, f"{len(set(good) - done)} good jobs were not done")
    last = stranger.put([b"the last number"])[0]
    stranger.delete(range(last, last + 1))
    buried = stranger.counts()["buried"]
    # Those whose type or expiry was spoiled wait for other code, or have expired.
    kept = stranger.peek(range(first, last))
    told = sum(b"undecodable after 5 tries" in data for data in kept)
    trial.count("buried", buried)
    trial.must(told >= undecodable, f"{told} say that they are undecodable, {undecodable} are")
    waiting = stranger.counts()["delayed"]
    trial.count("unknown to this code", waiting)
    trial.must(waiting <= size - undecodable, f"{waiting} still wait")
    stranger.delete(range(first, last))
    return last + 1


def _is_undecodable(data: bytes) -> bool:
    try:
        envelope = Codec().decode(data)
        if envelope.type == "pulpo.undecodable":
            if not isinstance(envelope.body, bytes):
                return True
            Codec().decode(envelope.body)
    except DecodeError:
        return True
    return False


ROWS = [
    Row(
        name="L1",
        says="any bytes as the body of a job",
        passes="no process dies or grows by 50 MB, each is run or buried as undecodable, "
        "good jobs between them are done",
        act=act,
        engines=("beanstalkd",),
        short={"bodies": 10_000},
        full={"bodies": 1_000_000},
        needs=("beanstalkd", "faketime"),
    )
]
