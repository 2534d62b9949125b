"""M1: many jobs for a long time, a fault every so often, and nothing grows.

One worker is spared: only what is done to the queue reaches it, and what it uses is watched. The
other is killed, frozen and deployed. A day of 50 jobs a second is compressed into some minutes.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sqlite3
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

from tests.chaos.ending import end_well
from tests.chaos.row import DURABLE, Row
from tests.chaos.trial import Trial
from tests.lab.place import Place
from tests.lab.postgresql import PostgreSQL
from tests.lab.processes import WorkerProcess, is_alive, until
from tests.lab.sampler import Sample, Sampler

THREADS, PROCESSES, PRODUCERS, BATCH = 8, 2, 4, 15
# A job takes longer than what a process would take ahead: it holds no more than its threads.
SECONDS = 0.011
SLOTS = THREADS * (PROCESSES + 1)
MOST_WAL, MOST_BINLOGS = 16 * 2**20, 3
# What a database was told in the last second may not have reached its disk, and is run again.
UNSYNCED = 1_000
# The queue is empty in the end, and its table has room for what waited between two vacuums.
MOST_TABLE = 100 * 2**20
# Up to four connections come and go with the faults of a server, and a file is opened to be looked
# at. A leak at every fault would be more.
PASSING_FDS = 4
GROWTH_EACH_JOB = 1e6 / 100_000
# An allocator gives back what it likes: below this nothing is said, however few the jobs were.
NO_GROWTH = 2e6


@dataclass
class _Soak:
    """The workers of the story, and what can be done to them and to their queue."""

    trial: Trial
    place: Place
    stack: contextlib.ExitStack
    spared: WorkerProcess
    victim: WorkerProcess
    largest_wal: int = 0
    most_binlogs: int = 0
    bound: int = 0
    faults: ClassVar[dict[str, tuple[str, ...]]] = {
        "sqlite": ("kill", "murder", "freeze", "deploy", "lock", "read"),
        "beanstalkd": ("kill", "murder", "freeze", "deploy", "restart", "pause"),
        "postgresql": ("kill", "murder", "freeze", "deploy", "restart", "pause"),
    }
    _order: list[str] = field(default_factory=list)

    def strike(self) -> None:
        """Make the next fault; each kind comes once before any comes again."""
        if not self._order:
            self._order = list(self.faults[self.trial.engine])
            self.trial.chosen.shuffle(self._order)
        name = self._order.pop()
        act: Callable[[], int] = getattr(self, name)
        self.bound += act()
        self.trial.count(name)

    def look(self) -> None:
        """Note how large the log of the queue is."""
        with contextlib.suppress(FileNotFoundError):
            wal = (self.trial.folder / "queue.db-wal").stat().st_size
            self.largest_wal = max(self.largest_wal, wal)
        self.most_binlogs = max(self.most_binlogs, len(self.binlogs()))

    def binlogs(self) -> list[Path]:
        """Return the files of the server's log."""
        return list((self.trial.folder / "binlog").glob("binlog.*"))

    # The faults: each returns how many jobs it may have made to run a second time.

    def kill(self) -> int:
        """Kill one process."""
        until(self.victim.children, "a process of the victim")
        os.kill(self.trial.chosen.choice(self.victim.children()), signal.SIGKILL)
        return THREADS

    def murder(self) -> int:
        """Kill a whole worker, and start another."""
        orphans = self.victim.kill()
        until(lambda: not any(map(is_alive, orphans)), "the end of its processes")
        self.victim = _start(self.stack, self.place, PROCESSES)
        return THREADS * PROCESSES

    def freeze(self) -> int:
        """Stop a process: its supervisor takes it for dead."""
        until(self.victim.children, "a process of the victim")
        frozen = self.trial.chosen.choice(self.victim.children())
        os.kill(frozen, signal.SIGSTOP)
        until(lambda: not is_alive(frozen), "the end of the frozen process")
        return THREADS

    def deploy(self) -> int:
        """Stop a worker as a deploy does, and start another."""
        code = self.victim.ready().stop(timeout=60)
        self.trial.must(code == 0, f"a deployed worker ended with {code}")
        self.victim = _start(self.stack, self.place, PROCESSES)
        return 0

    def lock(self) -> int:
        """Keep everybody from writing into the file for a while."""
        with contextlib.closing(self._connect()) as connection:
            connection.execute("BEGIN IMMEDIATE")
            time.sleep(2.0)
        return 0

    def read(self) -> int:
        """Keep an old state of the file readable for a while, so that its log cannot be moved."""
        with contextlib.closing(self._connect()) as connection:
            connection.execute("BEGIN")
            connection.execute("SELECT count(*) FROM jobs").fetchone()
            time.sleep(2.0)
        return 0

    def restart(self) -> int:
        """Kill the server and start it again."""
        assert self.place.server is not None
        self.place.server.restart()
        return SLOTS + (UNSYNCED if self.trial.engine == "postgresql" else 0)

    def pause(self) -> int:
        """Freeze the server, for less than anybody gives up."""
        assert self.place.server is not None
        self.place.server.freeze()
        time.sleep(2.0)
        self.place.server.thaw()
        return SLOTS

    def _connect(self) -> sqlite3.Connection:
        path = self.trial.folder / "queue.db"
        return sqlite3.connect(path, timeout=10, isolation_level=None)


def act(trial: Trial) -> None:
    """Run for the time that the figures say, and compare the end with the beginning."""
    # Small files of the server's log, so that many are begun and given up.
    place = trial.place("-f0", "-s", str(2**20))
    stack = trial.stack.enter_context(contextlib.ExitStack())
    spared, victim = _start(stack, place, 1), _start(stack, place, PROCESSES)
    soak = _Soak(trial, place, stack, spared.ready(), victim.ready())
    (watched,) = spared.children()
    share = trial.figures["rate"] * trial.figures["seconds"] // PRODUCERS
    pause = PRODUCERS * BATCH / trial.figures["rate"]
    options = (f"--seconds={SECONDS}", f"--batch={BATCH}", f"--pause={pause}")
    producers = place.produce(PRODUCERS, share, *options)
    with Sampler(lambda: [watched]) as sampler:
        while any(producer.poll() is None for producer in producers):
            until_next = time.monotonic() + trial.figures["every"]
            while time.monotonic() < until_next:
                soak.look()
                time.sleep(0.2)
            soak.strike()
    said = place.published(producers)
    uncertain = sum(each["errors"].get("PublishUncertainError", 0) for each in said)
    trial.must(spared.children() == [watched], "the spared worker's process lives as it did")
    end_well(trial, place, [soak.spared, soak.victim])
    trial.audit(place, doubled=soak.bound + uncertain * BATCH)
    _judge_the_log(soak)
    _judge_growth(trial, place, watched, sampler.samples)


def _start(stack: contextlib.ExitStack, place: Place, processes: int) -> WorkerProcess:
    options = ("--processes", str(processes), "--threads", str(THREADS))
    return stack.enter_context(place.worker(*options))


def _judge_the_log(soak: _Soak) -> None:
    trial = soak.trial
    for name in soak.faults[trial.engine]:
        trial.must(trial.counted[name], f"there was a {name}")
    if trial.engine == "sqlite":
        trial.count("KB of WAL at most", soak.largest_wal // 1024)
        trial.must(0 < soak.largest_wal <= MOST_WAL, f"a WAL of {soak.largest_wal} bytes")
    elif isinstance(soak.place.server, PostgreSQL):
        size = int(soak.place.server.psql("SELECT pg_total_relation_size('pulpo.jobs')"))
        trial.count("KB of the table and its indexes", size // 1024)
        trial.must(size <= MOST_TABLE, f"a table of {size} bytes")
    else:
        left = [int(path.suffix[1:]) for path in soak.binlogs()]
        begun = max(left)
        trial.count("binlog files", begun)
        trial.count("binlog files at once", soak.most_binlogs)
        trial.must(begun > MOST_BINLOGS, "the log went through several files")
        trial.must(len(left) <= MOST_BINLOGS, f"{left} binlog files are left of an empty queue")


def _judge_growth(trial: Trial, place: Place, pid: int, samples: Sequence[Sample]) -> None:
    """Compare the last third with the one before; the first is for warming up."""
    third = len(samples) // 3
    middle, last = samples[third : 2 * third], samples[2 * third :]
    assert middle, "too short to be judged"
    since, end = middle[0].at, last[-1].at
    jobs = sum(e.pid == pid and since <= e.at <= end for e in place.ledger.read("done"))
    trial.must(jobs, "the spared worker has worked")
    growth = _slope(samples[third:]) * (end - since)
    trial.count("jobs of the watched process", jobs)
    trial.count("KB that it has grown", round(growth / 1024))
    allowed = max(GROWTH_EACH_JOB * jobs, NO_GROWTH)
    trial.must(growth < allowed, f"grew by {growth / 1e6:.1f} MB in {jobs} jobs")
    for what, room in (("fds", PASSING_FDS), ("threads", 0)):
        before, after = (max(getattr(s, what) for s in part) for part in (middle, last))
        trial.count(f"{what} at most", after)
        trial.must(after <= before + room, f"{what} grew from {before} to {after}")


def _slope(samples: Sequence[Sample]) -> float:
    """Return by how many bytes the memory grows a second: the line that fits best."""
    at = sum(sample.at for sample in samples) / len(samples)
    rss = sum(sample.rss for sample in samples) / len(samples)
    above = sum((sample.at - at) * (sample.rss - rss) for sample in samples)
    return above / sum((sample.at - at) ** 2 for sample in samples)


ROWS = [
    Row(
        name="M1",
        says="many jobs for a long time, faults of all kinds",
        passes="0 lost; memory grows < 1 MB in 100,000 jobs; fds, threads and logs stay",
        act=act,
        engines=DURABLE,
        short=None,
        full={"seconds": 1_200, "rate": 600, "every": 20},
    )
]
