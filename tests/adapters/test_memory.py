"""The contract on the memory engine, and what is its own."""

from __future__ import annotations

import random
from typing import cast

import pytest

from pulpo.adapter import Engine, QueueAdapter
from pulpo.adapters import open_engine
from pulpo.adapters.memory import MemoryEngine
from pulpo.adapters.memory.adapter import MemoryAdapter
from pulpo.adapters.memory.line import Entry, Line
from pulpo.clock import Clock, ManualClock, SystemClock
from pulpo.contract import AdapterContract, Stage
from pulpo.errors import JobTooBigError, UsageError
from pulpo.job import NewJob
from pulpo.queue_url import QueueURL
from tests.adapters.following import GuardedFollowing


def crash(adapter: QueueAdapter) -> None:
    cast(MemoryAdapter, adapter).crash()


class TestMemory(AdapterContract):
    @pytest.fixture
    def clock(self) -> Clock:
        return ManualClock()

    @pytest.fixture
    def engine(self, clock: Clock) -> Engine:
        return MemoryEngine(QueueURL.parse("memory://"), clock=clock)

    def crash(self, adapter: QueueAdapter) -> None:
        crash(adapter)

    def test_a_delay_does_not_care_who_sets_the_clock(
        self, stage: Stage, clock: ManualClock
    ) -> None:
        stage.put(stage.job("later", delay=60.0))

        clock.jump(3_600)
        assert stage.reserve() == []
        clock.advance(60)

        assert stage.drain() == ["later"]

    def test_a_moment_is_that_of_the_clock_on_the_wall(
        self, stage: Stage, clock: ManualClock
    ) -> None:
        stage.put(stage.job("then", at=clock.wall() + 3_600))

        clock.jump(3_600)

        assert stage.drain() == ["then"]

    def test_a_lease_does_not_care_who_sets_the_clock(
        self, stage: Stage, clock: ManualClock
    ) -> None:
        stage.running(ttr=60.0)

        clock.jump(3_600)

        assert stage.reserve(by=stage.open()) == []

    def test_a_lease_that_was_renewed_too_late_is_no_crash(
        self, stage: Stage, clock: ManualClock
    ) -> None:
        _, job = stage.running(ttr=60.0)
        clock.advance(61)

        assert list(stage.owner.touch([job])) == [True]
        clock.advance(61)

        assert stage.take(by=stage.open()).crashes == 1

    def test_a_queue_that_holds_nothing_is_forgotten(self, stage: Stage) -> None:
        stage.put(stage.job())
        stage.drain()

        assert list(stage.admin.queues()) == []

    def test_a_paused_queue_exists_without_a_job(self, stage: Stage) -> None:
        stage.admin.pause(stage.queue)
        assert list(stage.admin.queues()) == [stage.queue]

        stage.admin.resume(stage.queue)

        assert list(stage.admin.queues()) == []

    def test_jobs_are_listed_by_state(self, stage: Stage) -> None:
        jobs = [stage.buried("d"), stage.running("a")[0]]
        jobs += [stage.job("c", delay=60.0), stage.job("b")]
        stage.put(*jobs[2:])

        assert [stage.text(job) for job in stage.admin.list()] == ["a", "b", "c", "d"]


class TestMemoryGuards(GuardedFollowing):
    @pytest.fixture
    def clock(self) -> Clock:
        return ManualClock()

    @pytest.fixture
    def engine(self, clock: Clock) -> Engine:
        return MemoryEngine(QueueURL.parse("memory://"), clock=clock)

    def crash(self, adapter: QueueAdapter) -> None:
        crash(adapter)


@pytest.fixture
def real() -> MemoryEngine:
    return MemoryEngine(QueueURL.parse("memory://"), clock=SystemClock())


def job(**options: object) -> NewJob:
    return NewJob(**{"id": "1", "type": "t", "queue": "q", "body": b"x"} | options)


def test_a_delayed_job_ends_a_wait_by_the_system_clock(real: MemoryEngine) -> None:
    adapter = real.adapter()
    adapter.put([job(delay=0.05)])

    _, jobs = adapter.exchange([], ["q"], limit=1, timeout=10.0)

    assert [found.body for found in jobs] == [b"x"]


def test_a_lease_ends_a_wait_by_the_system_clock(real: MemoryEngine) -> None:
    first, second = real.adapter(), real.adapter()
    first.put([job(ttr=0.05)])
    first.exchange([], ["q"], limit=1, timeout=0.0)

    _, jobs = second.exchange([], ["q"], limit=1, timeout=10.0)

    assert [found.crashes for found in jobs] == [1]


def test_the_end_of_a_pause_ends_a_wait_by_the_system_clock(real: MemoryEngine) -> None:
    adapter, admin = real.adapter(), real.admin()
    adapter.put([job()])
    admin.pause("q", 0.05)

    _, jobs = adapter.exchange([], ["q"], limit=1, timeout=10.0)

    assert len(jobs) == 1


def test_two_engines_are_strangers() -> None:
    one, two = open_engine("memory://"), open_engine("memory://")
    one.adapter().put([job()])

    assert two.admin().peek(["1"]) == [None]


def test_the_largest_job_is_an_option_of_the_url() -> None:
    adapter = open_engine("memory://?max_job_size=10").adapter()

    answers = adapter.put([job(body=b"x" * 10), job(body=b"x" * 11)])

    assert answers[0] == "1"
    assert isinstance(answers[1], JobTooBigError)


@pytest.mark.parametrize(
    "url", ["memory://?max_job_size=0", "memory://?size=9", "memory://host", "memory:///path"]
)
def test_an_impossible_url_is_refused(url: str) -> None:
    with pytest.raises(UsageError):
        open_engine(url)


@pytest.mark.parametrize("seed", range(5))
def test_a_line_keeps_its_order_whoever_leaves(seed: int) -> None:
    dice, line = random.Random(seed), Line()
    inside: dict[int, tuple[int, Entry]] = {}
    for number in range(1, 2_000):
        entry, key = Entry(number, job()), dice.randrange(9)
        line.push(key, entry)
        inside[number] = key, entry
        if dice.random() < 0.6:
            gone = dice.choice(list(inside))
            line.leave(inside.pop(gone)[1])

    served = []
    while head := line.head():
        served.append(head[1])
        line.leave(head[3])
    assert served == sorted(inside, key=lambda number: (inside[number][0], number))


def test_a_line_does_not_remember_who_left() -> None:
    line, patient, entry = Line(), Entry(1, job()), Entry(2, job())
    line.push(0, patient)
    for key in range(10_000):
        line.push(key, entry)
        line.leave(entry)

    assert len(line._heap) < 200
