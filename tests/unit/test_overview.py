"""What is put together of queues, workers and minutes."""

from __future__ import annotations

from dataclasses import replace

from pulpo.job import QueueStats
from pulpo.overview import overview
from pulpo.telling import BOUNDS, MinuteCount, SeenWorker

NOW = 1_800_000_030.0
MINUTE = 1_800_000_000
WORKER = SeenWorker(
    id="w",
    host="app-1",
    pid=7,
    worker=6,
    started=NOW - 60,
    queues=("mail",),
    types=("t",),
    threads=8,
    async_slots=100,
    busy=3,
    running=(),
)


def took(place: int, jobs: int) -> tuple[int, ...]:
    return tuple(jobs if n == place else 0 for n in range(len(BOUNDS) + 1))


def count(type: str = "t", outcome: str = "success", jobs: int = 1, place: int = 0) -> MinuteCount:
    return MinuteCount(
        minute=MINUTE,
        queue="mail",
        type=type,
        outcome=outcome,
        jobs=jobs,
        runtimes=took(place, jobs),
    )


def test_slots_are_added_up_over_all_processes() -> None:
    found = overview([], [WORKER, replace(WORKER, busy=1)], [], now=NOW)

    assert (found.processes, found.busy, found.slots) == (2, 4, 216)


def test_a_queue_has_its_rate_and_who_serves_it() -> None:
    queues = [QueueStats(queue="mail", ready=5), QueueStats(queue="reports")]

    mail, reports = overview(queues, [WORKER], [count(jobs=60)], now=NOW).queues

    assert (mail.rate, mail.workers, mail.stats.ready) == (2.0, 1, 5)
    assert (reports.rate, reports.workers) == (None, 0)


def test_what_ends_no_run_is_no_rate() -> None:
    bounced = count(outcome="bounced", jobs=60)

    assert overview([QueueStats(queue="mail")], [], [bounced], now=NOW).queues[0].rate is None


def test_the_slowest_type_comes_first() -> None:
    counts = [count("quick", place=1), count("slow", place=9), count("slower", place=11)]

    found = overview([], [], counts, now=NOW).types

    assert [line.type for line in found] == ["slower", "slow", "quick"]


def test_types_that_fail_are_sorted_by_their_failures() -> None:
    counts = [
        count("good", jobs=9),
        count("bad", "buried", jobs=2),
        count("worse", "retried", jobs=3),
        count("worse", "buried", jobs=1),
        count("worse", jobs=5),
    ]

    found = overview([], [], counts, now=NOW).failing

    assert [(line.type, line.failed, line.runs) for line in found] == [
        ("worse", 4, 9),
        ("bad", 2, 2),
    ]
