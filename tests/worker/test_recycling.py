"""When a worker process has done enough."""

from __future__ import annotations

import threading

import pytest

from pulpo.system import resident_bytes
from pulpo.worker.recycling import Recycling
from pulpo.worker.settings import WorkerSettings
from tests.worker.stage import Stage, until


def by_jobs(limit: int, spread: float = 0.0) -> Recycling:
    return Recycling(WorkerSettings(max_jobs=limit), spread=spread)


def test_without_limits_it_is_never_asked() -> None:
    assert not Recycling(WorkerSettings()).is_wanted
    assert Recycling(WorkerSettings()).within(64) == 64


@pytest.mark.parametrize(
    ("limit", "spread", "taken"), [(100, 0.0, 100), (100, 1.0, 90), (1, 1.0, 1), (4, 0.99, 4)]
)
def test_a_process_takes_its_limit_or_up_to_a_tenth_less(
    limit: int, spread: float, taken: int
) -> None:
    recycling = by_jobs(limit, spread)

    assert recycling.within(1_000) == taken


def test_enough_jobs_are_a_reason_once_the_last_one_has_finished() -> None:
    recycling = by_jobs(10)
    recycling.took(9)
    assert recycling.within(8) == 1
    assert recycling.reason(0.0, is_idle=True) == ""

    recycling.took(1)

    assert recycling.within(8) == 0
    assert recycling.reason(0.0, is_idle=False) == ""
    assert recycling.reason(0.0, is_idle=True) == "it has run 10 jobs"


def test_memory_is_looked_at_once_a_second_and_not_before_the_first_job() -> None:
    used = [500_000_000]
    looks: list[int] = []

    def memory() -> int:
        looks.append(used[0])
        return used[0]

    recycling = Recycling(WorkerSettings(max_memory=300_000_000), memory=memory)
    assert recycling.reason(10.0, is_idle=True) == ""
    assert looks == []

    recycling.took(1)
    used[0] = 200_000_000
    assert [recycling.reason(10.0 + tick / 10, is_idle=False) for tick in range(10)] == [""] * 10
    assert len(looks) == 1
    used[0] = 400_000_000

    assert recycling.reason(11.0, is_idle=False) == "it uses 400MB of memory, more than 300MB"


def test_memory_that_is_in_use_is_seen() -> None:
    before = resident_bytes()
    kept = b"x" * 50_000_000

    assert resident_bytes() - before > 40_000_000
    assert kept


def test_a_worker_at_its_limit_leaves_the_rest_of_the_queue_to_its_successor() -> None:
    stage = Stage(max_jobs=5)
    ran: list[int] = []

    @stage.app.job(type="note")
    def note(n: int) -> None:
        ran.append(n)

    note.delay_many([(n,) for n in range(12)])

    assert stage.worker.run() == []
    first = len(ran)
    successor = stage.new_worker()
    assert successor.run() == []

    assert stage.worker.retired
    assert first == 5 == len(ran) - first
    assert len(stage.jobs()) == 2
    assert [line["reason"] for line in stage.said if line["event"] == "recycling"] == [
        "it has run 5 jobs"
    ] * 2
    stage.close()


def test_a_worker_at_its_limit_waits_for_its_last_job() -> None:
    stage, go = Stage(max_jobs=1, grace=0.0), threading.Event()

    @stage.app.job(type="waits")
    def waits() -> None:
        go.wait(10)

    waits.delay_many([(), ()])
    worker = threading.Thread(target=stage.worker.run)
    worker.start()
    until(lambda: stage.adapter.asked[-3:] == [(("default",), 0)] * 3, "it asks for nothing more")
    assert worker.is_alive()
    go.set()
    worker.join(10)

    assert stage.endings == ["success"]
    assert len(stage.jobs()) == 1
    stage.close()
