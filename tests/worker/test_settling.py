"""Verdicts that the queue has no room for: kept with their jobs, while the others go on."""

from __future__ import annotations

from collections.abc import Callable

import pytest

import pulpo
from pulpo.errors import QueueFullError
from pulpo.job import Settlement, Verb
from pulpo.worker import settling
from tests.worker.stage import Stage

Make = Callable[..., Stage]

# What fails comes first.
PRIORITY = {"bad": 0, "good": pulpo.NORMAL}


class Disk:
    """Refuses what needs room while it is full, and counts how often it was asked."""

    def __init__(self, stage: Stage) -> None:
        self.full = True
        self.asked = 0
        stage.adapter.answer = self._answer

    def _answer(self, settlement: Settlement) -> QueueFullError | None:
        if settlement.rewritten is None:
            return None
        self.asked += 1
        return QueueFullError("no room") if self.full else None


@pytest.fixture
def stage(make_stage: Make) -> Stage:
    """A worker that goes on, and two types: one fails always, one never."""
    stage = make_stage(burst=False)

    @stage.app.job(type="bad", retries=1, backoff=5)
    def bad() -> None:
        raise OSError("not now")

    @stage.app.job(type="good")
    def good() -> None:
        pass

    return stage


def put(stage: Stage, *types: str) -> list[str]:
    return [
        stage.app.publish(pulpo.Message(type=type, body={}, priority=PRIORITY[type])).id
        for type in types
    ]


def kept(stage: Stage) -> int:
    return len(stage.worker._settling._kept)


def tick(stage: Stage, times: int = 1) -> None:
    """Let the loop come by, without its wait for the next job."""
    for _ in range(times):
        stage.adapter.wake()
        stage.worker.tick()


def test_what_finds_no_room_is_kept_and_runs_no_second_time_while_the_others_go_on(
    stage: Stage,
) -> None:
    disk = Disk(stage)
    bad = put(stage, *["bad"] * 10)
    put(stage, *["good"] * 100)

    stage.tick_until(lambda: stage.endings.count("success") == 100)

    assert stage.endings == ["success"] * 100
    assert {stage.state(job) for job in bad} == {"reserved"}
    assert kept(stage) == 10
    assert disk.asked <= 10


def test_with_room_again_each_is_settled_as_it_was_judged(stage: Stage) -> None:
    disk = Disk(stage)
    bad = put(stage, *["bad"] * 10)
    stage.tick_until(lambda: kept(stage) == 10)
    disk.full = False

    stage.clock.advance(1)
    stage.tick_until(lambda: len(stage.endings) == 10)

    assert stage.endings == ["retried"] * 10
    assert {stage.state(job) for job in bad} == {"delayed"}
    assert {stage.headers(job)["failures"] for job in bad} == {1}
    assert [line["event"] for line in stage.said if "duration" not in line] == ["full", "room"]


def test_a_full_queue_is_asked_again_by_one_of_them_and_ever_more_seldom(stage: Stage) -> None:
    disk = Disk(stage)
    put(stage, *["bad"] * 10)
    stage.tick_until(lambda: kept(stage) == 10)

    before, asked = disk.asked, []
    for _ in range(60):
        stage.clock.advance(1)
        tick(stage, 3)
        asked.append(disk.asked - before)

    # After 1, 2, 4 and 8 seconds, then each 15.
    assert [asked[second - 1] for second in (1, 3, 7, 15, 30, 45, 60)] == [1, 2, 3, 4, 5, 6, 7]
    assert asked[-1] == 7


def test_a_failure_while_the_queue_is_known_to_be_full_waits_with_the_others(stage: Stage) -> None:
    disk = Disk(stage)
    put(stage, "bad")
    stage.tick_until(lambda: disk.asked == 1)
    (late,) = put(stage, "bad")

    stage.tick_until(lambda: stage.state(late) == "reserved")
    tick(stage, 5)
    assert disk.asked == 1
    disk.full = False
    stage.clock.advance(1)
    stage.tick_until(lambda: stage.endings == ["retried"] * 2)


def test_the_leases_of_kept_jobs_are_renewed(stage: Stage) -> None:
    disk = Disk(stage)
    (bad,) = put(stage, "bad")
    stage.tick_until(lambda: disk.asked == 1)

    for _ in range(20):
        stage.clock.advance(15)
        tick(stage)

    assert stage.state(bad) == "reserved"
    assert stage.endings == []


def test_a_worker_that_stops_hands_kept_jobs_back_at_once_and_unspent(stage: Stage) -> None:
    Disk(stage)
    bad = put(stage, *["bad"] * 3)
    stage.tick_until(lambda: kept(stage) == 3)

    stage.worker.stop()
    assert stage.worker.run() == []

    assert stage.endings == ["released"] * 3
    assert {stage.state(job) for job in bad} == {"ready"}
    assert all("failures" not in stage.headers(job) for job in bad)


def test_of_too_many_kept_jobs_the_rest_goes_back_and_nothing_is_reserved_for_a_moment(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(settling, "MOST_KEPT", 2)
    disk = Disk(stage)
    bad = put(stage, *["bad"] * 5)
    stage.tick_until(lambda: stage.endings)
    tick(stage, 5)

    states = sorted(stage.state(job) for job in bad)
    assert states.count("reserved") == 2
    assert stage.adapter.asked[-1][1] == 0
    begun = len(stage.endings)
    stage.clock.advance(1)
    disk.full = False
    stage.tick_until(lambda: stage.endings.count("retried") == 5)
    assert begun <= 5


def test_a_run_over_its_time_is_not_handed_back_since_it_may_not_have_ended(stage: Stage) -> None:
    disk = Disk(stage)
    put(stage, "bad")
    stage.tick_until(lambda: disk.asked == 1)
    (held,) = stage.worker._watch.held.values()
    held.over_time = True

    stage.worker.stop()
    tick(stage, 5)

    assert stage.endings == []
    offered = [s.verb for offer in stage.adapter.offered for s in offer]
    assert Verb.RELEASE not in offered
