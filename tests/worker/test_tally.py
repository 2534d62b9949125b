"""What the loop counts and the chores fetch."""

from __future__ import annotations

import sys
import threading

from pulpo.envelope import Envelope
from pulpo.job import Job
from pulpo.run import Run
from pulpo.telling import BOUNDS, MinuteCount
from pulpo.worker import tally as tally_module
from pulpo.worker.decide import EXPIRED, LOST, SUCCESS, Verdict
from pulpo.worker.opening import UNKNOWN
from pulpo.worker.tally import OTHERS, Reader, Tally
from tests.worker.stage import run_of

SIDE, HTTP = Reader.SIDE, Reader.HTTP
WALL = 1_800_000_059.0
MINUTE = 1_800_000_000
# Made at 1.8e9 seconds since the epoch.
PUBLISHED = f"{1_800_000_000_000:012x}"
ID = f"{PUBLISHED[:8]}-{PUBLISHED[8:]}-7000-8000-000000000000"


def a_run(*, started: float = 1.0, **headers: object) -> Run:
    run = run_of(**headers)
    run.started, run.started_at = started, 1_800_000_000.0 + 0.2
    return run


def bucket(seconds: float) -> tuple[int, ...]:
    place = next((n for n, bound in enumerate(BOUNDS) if seconds <= bound), len(BOUNDS))
    return tuple(int(n == place) for n in range(len(BOUNDS) + 1))


def jobs(counts: list[MinuteCount]) -> dict[tuple[str, str, str], int]:
    return {(count.queue, count.type, count.outcome): count.jobs for count in counts}


def test_outcomes_are_counted_by_queue_type_and_outcome() -> None:
    tally = Tally(SIDE)
    run = a_run()
    tally.count([(run, SUCCESS, 0.1), (run, SUCCESS, 0.2), (run, LOST, 0.0), (run, SUCCESS, 0.3)])
    tally.count([(run, SUCCESS, 0.1)])

    assert jobs(tally.fetch(SIDE, WALL)) == {
        ("default", "t", "success"): 4,
        ("default", "t", "lost"): 1,
    }
    assert tally.fetch(SIDE, WALL) == []


def test_a_count_is_of_the_minute_in_which_it_is_fetched() -> None:
    tally = Tally(SIDE)
    tally.count([(a_run(), SUCCESS, 0.1)])
    (first,) = tally.fetch(SIDE, WALL)
    tally.count([(a_run(), SUCCESS, 0.1)])
    (second,) = tally.fetch(SIDE, WALL + 1)

    assert (first.minute, second.minute) == (MINUTE, MINUTE + 60)


def test_each_reader_gets_every_count_once() -> None:
    tally = Tally(SIDE, HTTP)
    got: dict[Reader, int] = {SIDE: 0, HTTP: 0}
    for reader in (SIDE, HTTP, HTTP, SIDE, SIDE):
        tally.count([(a_run(), SUCCESS, 0.1), (a_run(), LOST, 0.0)])
        got[reader] += sum(count.jobs for count in tally.fetch(reader, WALL))
    got[HTTP] += sum(count.jobs for count in tally.fetch(HTTP, WALL))

    assert got == {SIDE: 10, HTTP: 10}


def test_a_reader_who_never_comes_by_costs_little(monkeypatch) -> None:  # type: ignore[no-untyped-def]
    monkeypatch.setattr(tally_module, "_MOST_WAITING", 3)
    tally = Tally(SIDE, HTTP)
    for _ in range(10):
        tally.count([(a_run(), SUCCESS, 0.1)])
        assert len(tally.fetch(HTTP, WALL)) == 1

    assert len(tally.fetch(SIDE, WALL)) == 3


def test_the_run_of_a_suspect_in_a_process_of_its_own_has_a_time() -> None:
    run = a_run(started=0.0)
    run.isolated = True
    tally = Tally(SIDE)
    tally.count([(run, SUCCESS, 0.2)])
    (count,) = tally.fetch(SIDE, WALL)

    assert (count.seconds, count.runtimes) == (0.2, bucket(0.2))


def test_times_are_summed_up_and_put_into_buckets() -> None:
    for seconds in (0.0, 0.005, 0.0051, 1.0, 300.0, 301.0):
        tally = Tally(SIDE)
        tally.count([(a_run(), SUCCESS, seconds)])
        (count,) = tally.fetch(SIDE, WALL)
        assert (count.seconds, count.runtimes) == (seconds, bucket(seconds)), seconds


def test_what_has_not_run_has_no_time() -> None:
    tally = Tally(SIDE)
    tally.count([(a_run(started=0.0), EXPIRED, 0.0)])
    (count,) = tally.fetch(SIDE, WALL)

    assert (count.jobs, sum(count.runtimes), sum(count.waits)) == (1, 0, 0)


def test_the_wait_of_a_first_run_is_counted() -> None:
    tally = Tally(SIDE)
    tally.count([(a_run(id=ID), SUCCESS, 0.1)])
    (count,) = tally.fetch(SIDE, WALL)

    assert round(count.waited, 3) == 0.2
    assert count.waits == bucket(count.waited)


def test_that_of_a_later_run_a_dated_or_a_foreign_job_is_not() -> None:
    for headers in ({"id": ID, "failures": 1}, {"id": ID, "due": 1.8e9}, {"id": "foreign"}):
        tally = Tally(SIDE)
        tally.count([(a_run(**headers), SUCCESS, 0.1)])
        (count,) = tally.fetch(SIDE, WALL)
        assert sum(count.waits) == 0, headers


def test_names_that_strangers_make_up_are_counted_together() -> None:
    tally = Tally(SIDE)
    for number in range(3):
        envelope = Envelope({"type": f"made-up-{number}", "id": "x"}, None)
        job = Job(number=number, body=b"", queue="default")
        tally.count([(Run(job, envelope, UNKNOWN), LOST, 0.0)])

    assert jobs(tally.fetch(SIDE, WALL)) == {("default", "pulpo.unknown", "lost"): 3}


def test_so_are_names_beyond_so_many(monkeypatch) -> None:  # type: ignore[no-untyped-def]
    monkeypatch.setattr(tally_module, "_MOST_NAMES", 2)
    tally = Tally(SIDE)
    counted: dict[tuple[str, str, str], int] = {}
    for _ in range(2):
        for number in range(4):
            run = a_run()
            run.queue = f"queue-{number}"
            tally.count([(run, SUCCESS, 0.1)])
        counted = jobs(tally.fetch(SIDE, WALL))

    assert counted == {
        ("queue-0", "t", "success"): 1,
        ("queue-1", "t", "success"): 1,
        (OTHERS, OTHERS, "success"): 2,
    }


def test_nothing_is_lost_while_another_thread_fetches() -> None:
    tally = Tally(SIDE)
    batch: list[tuple[Run, Verdict, float]] = [(a_run(), SUCCESS, 0.1)] * 10
    over = threading.Event()
    fetched: list[MinuteCount] = []

    def fetch() -> None:
        while not over.is_set():
            fetched.extend(tally.fetch(SIDE, WALL))

    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    try:
        thread = threading.Thread(target=fetch)
        thread.start()
        for _ in range(1_000):
            tally.count(batch)
        over.set()
        thread.join()
    finally:
        sys.setswitchinterval(before)
    fetched.extend(tally.fetch(SIDE, WALL))

    assert sum(count.jobs for count in fetched) == 10_000
