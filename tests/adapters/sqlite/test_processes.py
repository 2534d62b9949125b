"""The file queue between real processes: who lives, who is woken, who waits for whom."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from pulpo.adapters import open_engine
from pulpo.job import NewJob
from tests.lab.syncs import count_syncs

HOLDER = """
import os, sys, time
from pulpo.adapters import open_engine
adapter = open_engine(sys.argv[1]).adapter()
_, jobs = adapter.exchange([], ["default"], limit=9, timeout=5)
if sys.argv[2] == "forks" and os.fork():
    time.sleep(60)  # the child says it: so it has been through all that a fork brings with it
print(len(jobs), flush=True)
time.sleep(60)
"""


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/queue.db"


def job(name: str, **more: float) -> NewJob:
    return NewJob(id=name, type="t", queue="default", body=b"body", **more)  # type: ignore[arg-type]


def put(url: str, *jobs: NewJob) -> None:
    adapter = open_engine(url).adapter()
    adapter.put(jobs)
    adapter.close()


def holder(url: str, how: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", HOLDER, url, how]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, start_new_session=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "2\n"
    return process


def end(process: subprocess.Popen[str]) -> None:
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass
    process.wait()
    if process.stdout:
        process.stdout.close()


@pytest.mark.parametrize("how", ["dies", "forks"])
def test_the_jobs_of_a_killed_process_are_ready_at_once(url: str, how: str) -> None:
    put(url, job("a"), job("b"))
    process = holder(url, how)
    admin, adapter = open_engine(url).admin(), open_engine(url).adapter()
    assert admin.stats("default").reserved == 2

    os.kill(process.pid, signal.SIGKILL)  # it alone: a child of it may live on
    process.wait()

    assert (admin.stats("default").ready, admin.stats("default").reserved) == (2, 0)
    _, jobs = adapter.exchange([], ["default"], limit=9, timeout=0)
    assert [found.crashes for found in jobs] == [1, 1]
    end(process)
    admin.close()
    adapter.close()


def test_the_jobs_of_a_frozen_process_wait_for_the_end_of_their_lease(url: str) -> None:
    put(url, job("a", ttr=2.0), job("b", ttr=2.0))
    process = holder(url, "dies")
    os.kill(process.pid, signal.SIGSTOP)
    adapter = open_engine(url).adapter()

    _, early = adapter.exchange([], ["default"], limit=9, timeout=0.3)
    _, late = adapter.exchange([], ["default"], limit=9, timeout=10)

    assert (len(early), len(late)) == (0, 2)
    end(process)
    adapter.close()


def test_a_waiting_process_is_woken_long_before_the_slow_poll(url: str, tmp_path: Path) -> None:
    waiter = """
import sys, time
from pulpo.adapters import open_engine
adapter = open_engine(sys.argv[1]).adapter()
print("waits", flush=True)
for _ in range(10):
    _, jobs = adapter.exchange([], ["default"], limit=1, timeout=30)
    print(time.monotonic(), flush=True)
adapter.close()
"""
    process = subprocess.Popen(
        [sys.executable, "-c", waiter, url], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    process.stdout.readline()
    adapter, delays = open_engine(url).adapter(), []
    for number in range(10):
        time.sleep(0.05)  # until it waits again
        started = time.monotonic()
        adapter.put([job(f"j-{number}")])
        delays.append(float(process.stdout.readline()) - started)
    process.wait(10)
    process.stdout.close()
    adapter.close()

    assert sorted(delays)[5] < 0.1  # a poll of a second would take half a second


@pytest.mark.parametrize(("sync", "least", "most"), [("full", 20, 80), ("normal", 0, 8)])
def test_a_put_is_on_the_disk_before_it_returns_unless_told_otherwise(
    url: str, tmp_path: Path, sync: str, least: int, most: int
) -> None:
    code = """
import sys
from pulpo.adapters import open_engine
from pulpo.job import NewJob
adapter = open_engine(sys.argv[1]).adapter()
adapter.put([NewJob(id="first", type="t", queue="q", body=b"")])
sys.stderr.write("BEGIN\\n")
for n in range(20):
    adapter.put([NewJob(id=f"j-{n}", type="t", queue="q", body=b"")])
sys.stderr.write("END\\n")
"""
    syncs = count_syncs(code, f"{url}?sync={sync}", trace=tmp_path / "trace")

    assert least <= syncs <= most


def test_two_writers_get_even_shares(url: str) -> None:
    put(url, job("first"))
    writer = """
import sys, time
from pulpo.adapters import open_engine
from pulpo.job import NewJob
adapter = open_engine(sys.argv[1]).adapter()
adapter.put([NewJob(id="warm", type="t", queue="q", body=b"")])
print("ready", flush=True)
sys.stdin.readline()
end, count = time.monotonic() + 1.0, 0
while time.monotonic() < end:
    adapter.put([NewJob(id=f"j-{count}", type="t", queue="q", body=b"")])
    count += 1
print(count, flush=True)
adapter.close()
"""
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", writer, f"{url}?sync=normal"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(2)
    ]
    for process in processes:
        assert process.stdout is not None
        process.stdout.readline()
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    counts = [int(process.communicate(timeout=20)[0]) for process in processes]

    assert min(counts) / sum(counts) > 0.25
