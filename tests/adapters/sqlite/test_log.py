"""The write-ahead log: when it is synced, when it is moved into the file, and who opens what."""

from __future__ import annotations

import contextlib
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from pulpo.adapters.sqlite import SQLiteEngine
from pulpo.adapters.sqlite.adapter import SQLiteAdapter
from pulpo.adapters.sqlite.checkpoints import Checkpoints
from pulpo.clock import ManualClock
from pulpo.errors import QueueFullError
from pulpo.job import Settlement, Verb
from pulpo.queue_url import QueueURL
from tests.adapters.sqlite.jobs import delete, new, put, reserve
from tests.lab.syncs import count_syncs


@pytest.fixture
def engine(path: Path, clock: ManualClock) -> SQLiteEngine:
    return SQLiteEngine(QueueURL.parse(f"sqlite:///{path}?sync=normal"), clock=clock)


@pytest.fixture
def checkpoints(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Return a list that gets the length of the log, in frames, at each checkpoint."""
    frames: list[int] = []
    real = Checkpoints._checkpoint

    def noted(self: Checkpoints, connection: sqlite3.Connection) -> None:
        frames.append(connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()[1])
        real(self, connection)

    monkeypatch.setattr(Checkpoints, "_checkpoint", noted)
    return frames


def test_claims_and_settlements_are_synced_once_a_second(path: Path, tmp_path: Path) -> None:
    code = """
import sys
from pulpo.adapters import open_engine
from pulpo.clock import ManualClock
from pulpo.job import NewJob, Settlement, Verb
clock = ManualClock()
adapter = open_engine(sys.argv[1], clock=clock).adapter()
adapter.put([NewJob(id=f"j-{n}", type="t", queue="q", body=b"") for n in range(160)])
done = []
sys.stderr.write("BEGIN\\n")
for n in range(160):  # four seconds of a worker that takes one job after the other
    _, jobs = adapter.exchange(done, ["q"], limit=1, timeout=0)
    done = [Settlement(Verb.DELETE, job) for job in jobs]
    clock.advance(0.025)
sys.stderr.write("END\\n")
"""
    syncs = count_syncs(code, f"sqlite:///{path}", trace=tmp_path / "trace")

    assert 3 <= syncs <= 4


def test_a_log_is_moved_when_it_is_long_and_not_because_it_was(
    adapter: SQLiteAdapter, checkpoints: list[int]
) -> None:
    for _ in range(3_000):
        put(adapter, new())

    assert len(checkpoints) >= 3
    assert min(checkpoints) >= 4 * 2**20 // 4_120


def test_a_log_stays_small_while_a_reader_comes_and_goes(
    path: Path, adapter: SQLiteAdapter
) -> None:
    put(adapter, new())
    largest = 0
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as reader:
        for turn in range(200):
            reader.execute("BEGIN")
            reader.execute("SELECT count(*) FROM jobs").fetchone()
            for n in range(100):
                put(adapter, new())
                if n == 60:
                    reader.execute("COMMIT")
            while jobs := reserve(adapter, 50):
                delete(adapter, jobs)
            if turn % 10 == 0:
                largest = max(largest, path.with_name("queue.db-wal").stat().st_size)

    assert largest <= 16 * 2**20
    assert path.stat().st_size <= 2**20


def test_nothing_but_sqlite_and_one_hold_opens_the_file(path: Path) -> None:
    # A plain open and close in a process that uses the file would drop SQLite's locks.
    code = """
import os, sys
from pulpo.adapters import open_engine
from pulpo.job import NewJob, Settlement, Verb
found, path = [], sys.argv[1]
def note(event, arguments):
    if event == "open" and os.fspath(arguments[0]) in (path, path + "-shm"):
        found.append(arguments)
sys.addaudithook(note)
engine = open_engine(f"sqlite:///{path}")
adapter, second, admin = engine.adapter(), engine.adapter(), engine.admin()
adapter.put([NewJob(id=f"j-{n}", type="t", queue="q", body=bytes(60_000)) for n in range(200)])
second.put([NewJob(id="k", type="t", queue="q", body=b"")])
_, jobs = adapter.exchange([], ["q"], limit=250, timeout=0)
adapter.touch(jobs)
adapter.exchange([Settlement(Verb.DELETE, job) for job in jobs], ["q"], limit=1, timeout=0.01)
admin.stats("q"), admin.list(), admin.pause("q"), admin.resume("q")
for door in (admin, second, adapter):
    door.close()
print(len(found), [os.path.basename(each[0]) for each in found if not each[2] & os.O_EXCL])
"""
    done = subprocess.run(
        [sys.executable, "-c", code, str(path)], capture_output=True, text=True, check=True
    )

    # Once for each door: to make the file if it is not there, which opens no file that is. And once
    # for all doors what they hold of it, until the last of them is closed.
    assert done.stdout == "5 ['queue.db', 'queue.db-shm']\n"


def test_what_was_settled_is_said_though_the_disk_is_full_for_the_sync_after_it(
    adapter: SQLiteAdapter, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(adapter, new())
    (job,) = reserve(adapter)

    def full() -> None:
        raise QueueFullError("the disk is full")

    monkeypatch.setattr(adapter._trader, "sync_if_due", full)

    answers, _ = adapter.exchange(
        [Settlement(Verb.DELETE, job)], ["default"], limit=1, timeout=0.01
    )

    assert list(answers) == [True]
