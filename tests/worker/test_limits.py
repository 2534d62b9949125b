"""Limits on a queue in memory: slots, turns, those who wait, and those who wake them."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import closing
from typing import Any

import pytest

import pulpo
from pulpo import Limit
from pulpo.job import JobState
from pulpo.side import Removal, SideStore, side_of
from pulpo.telling.limits import LASTS, SLOTS, WAITING, SeenLimit, read_limits
from tests.worker.stage import Stage, until

Make = Callable[..., Stage]


@pytest.fixture
def stage(make_stage: Make) -> Stage:
    return make_stage(threads=8)


class Crowd:
    """Handlers that run until they are told to end; knows how many there are at once."""

    def __init__(self, stage: Stage) -> None:
        self.stage = stage
        self.inside: list[object] = []
        self.most = 0
        self.done: list[object] = []
        self._going: dict[object, threading.Event] = {}
        self._lock = threading.Lock()
        self._open = False

    def job(self, type: str = "limited", **options: Any) -> Any:
        @self.stage.app.job(type=type, **options)
        def limited(who: str, n: int = 0) -> None:
            event = threading.Event()
            with self._lock:
                self.inside.append((who, n))
                self.most = max(self.most, len(self.inside))
                self._going[who, n] = event
            if not self._open:
                event.wait(10)
            with self._lock:
                self.inside.remove((who, n))
                self.done.append((who, n))

        return limited

    def enter(self, count: int) -> None:
        self.stage.tick_until(lambda: len(self.inside) == count, f"{count} are inside")

    def leave(self, count: int = 1) -> None:
        with self._lock:
            for who in self.inside[:count]:
                self._going[who].set()

    def open(self) -> None:
        self._open = True
        self.leave(len(self.inside))


@pytest.fixture
def crowd(stage: Stage) -> Crowd:
    return Crowd(stage)


def store(stage: Stage) -> SideStore:
    found = side_of(stage.app.engine)
    assert found is not None
    return found


def limits(stage: Stage) -> tuple[SeenLimit, ...]:
    return read_limits(store(stage))


def quiet(stage: Stage) -> None:
    """Tick until what can be settled is settled, and the gate has nothing more to say."""
    gate = stage.worker._gate
    assert gate is not None
    stage.tick_until(
        lambda: gate.is_idle and not stage.worker._settling and not stage.jobs(JobState.READY),
        "all is quiet",
    )


def test_no_more_run_at_once_than_there_are_slots(stage: Stage, crowd: Crowd) -> None:
    job = crowd.job(limit=Limit(concurrency=3))
    job.delay_many([("a", n) for n in range(10)])

    crowd.enter(3)
    quiet(stage)
    (seen,) = limits(stage)

    assert (seen.name, seen.shown, seen.concurrency) == ("limited", "limited", 3)
    assert (len(seen.holders), seen.waiting) == (3, 7)
    assert all(50 < job.due < 70 for job in stage.jobs(JobState.DELAYED))
    crowd.open()
    stage.drain()
    assert (crowd.most, len(crowd.done)) == (3, 10)
    assert limits(stage) == ()


def test_who_leaves_a_slot_wakes_the_most_urgent_that_waits(stage: Stage, crowd: Crowd) -> None:
    job = crowd.job(limit=Limit(concurrency=1))
    job.delay("first")
    crowd.enter(1)
    job.delay("second")
    job.using(priority=1).delay("urgent")
    quiet(stage)

    crowd.leave()
    stage.tick_until(lambda: crowd.inside == [("urgent", 0)])
    crowd.leave()
    stage.tick_until(lambda: crowd.inside == [("second", 0)])
    crowd.open()
    stage.drain()

    assert crowd.done == [("first", 0), ("urgent", 0), ("second", 0)]
    # No clock was moved: nobody came by the net.
    assert "limited" in stage.endings


def test_each_value_has_a_limit_of_its_own(stage: Stage, crowd: Crowd) -> None:
    job = crowd.job(limit=Limit(concurrency=1, per="who"))
    job.delay_many([("a", 1), ("a", 2), ("b", 1), ("b", 2)])

    crowd.enter(2)
    quiet(stage)

    assert sorted(who for who, _ in crowd.inside) == ["a", "b"]  # type: ignore[misc, has-type]
    assert [seen.shown for seen in limits(stage)] == ["limited (who=a)", "limited (who=b)"]
    crowd.open()
    stage.drain()
    assert len(crowd.done) == 4


def test_types_may_share_a_limit(stage: Stage, crowd: Crowd) -> None:
    one = crowd.job("one", limit=Limit(concurrency=2, name="api"))
    other = crowd.job("other", limit=Limit(concurrency=2, name="api"))
    one.delay("a", 1)
    other.delay("b", 1)
    crowd.enter(2)
    one.delay("a", 2)
    other.delay("b", 2)

    quiet(stage)
    (seen,) = limits(stage)

    assert (seen.name, {held.type for held in seen.holders}) == ("api", {"one", "other"})
    assert seen.waiting == 2
    crowd.open()
    stage.drain()
    assert crowd.most == 2


def test_a_job_without_a_limit_goes_by_those_that_wait(stage: Stage, crowd: Crowd) -> None:
    job = crowd.job(limit=Limit(concurrency=1))
    ran = []

    @stage.app.job(type="plain")
    def plain(n: int) -> None:
        ran.append(n)

    job.using(priority=0).delay_many([("a", n) for n in range(50)])
    plain.delay_many([(n,) for n in range(20)])
    stage.tick_until(lambda: len(ran) == 20)

    assert len(crowd.inside) == 1
    crowd.open()
    stage.drain()
    assert len(crowd.done) == 50


def test_waiting_for_a_slot_spends_no_attempt(stage: Stage, crowd: Crowd) -> None:
    attempts = []

    @stage.app.job(type="limited", retries=0, limit=Limit(concurrency=1))
    def limited() -> None:
        attempts.append(pulpo.current_job().attempt)

    held = take_slot(stage)
    ref = limited.delay()
    begin = stage.clock.wall()
    for seconds in (0, 70, 80):
        stage.clock.advance(seconds)
        renew(stage, held)
        quiet(stage)
    assert stage.headers(ref.id)["limited"] == begin
    assert stage.endings == ["limited"] * 3
    held.remove([Removal(space=SLOTS, key="limited 00000")])
    stage.clock.advance(300)
    stage.drain()

    assert attempts == [1]


def take_slot(stage: Stage) -> SideStore:
    """Be another worker, which has the only slot of the limit."""
    other = store(stage)
    renew(stage, other)
    return other


def renew(stage: Stage, other: SideStore) -> None:
    from pulpo.limit import LimitKey
    from pulpo.side import Write
    from pulpo.telling.limits import Holder, slot_write

    key = LimitKey("limited", "limited", "limited")
    holder = Holder(job="somebody", type="limited", host="elsewhere", pid=1)
    write = slot_write(key, Limit(concurrency=1), 0, holder)
    other.write([Write(space=write.space, key=write.key, value=write.value, lasts=write.lasts)])


def test_the_slot_of_a_dead_worker_comes_back_by_itself(stage: Stage, crowd: Crowd) -> None:
    job = crowd.job(limit=Limit(concurrency=1))
    take_slot(stage)
    job.delay("a")
    quiet(stage)
    assert crowd.inside == []

    look_often(stage)
    stage.clock.advance(LASTS + 1)  # far below the net of a minute
    stage.worker.tick()
    crowd.enter(1)

    crowd.open()
    stage.drain()
    assert crowd.done == [("a", 0)]


def test_a_new_worker_wakes_whom_the_one_before_it_has_left_waiting(
    stage: Stage, crowd: Crowd
) -> None:
    job = crowd.job(limit=Limit(concurrency=1))
    take_slot(stage)
    job.delay("a")
    quiet(stage)
    assert stage.worker._gate is not None
    stage.worker._gate.stop()
    stage._worker = None
    stage.clock.advance(LASTS + 1)
    assert not stage.jobs(JobState.READY)

    stage.worker._gate.start()  # as it does with a worker that has limits
    crowd.enter(1)

    crowd.open()
    stage.drain()
    assert crowd.done == [("a", 0)]


def test_a_job_is_woken_whose_worker_died_before_it_saw_where_it_waits(
    stage: Stage, crowd: Crowd, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pulpo.worker.waking.Waking.wait", lambda *_: None)
    job = crowd.job(limit=Limit(concurrency=1))
    job.delay("a")
    crowd.enter(1)
    job.delay("b")
    quiet(stage)
    assert [seen.waiting for seen in limits(stage)] == [1]

    crowd.leave()
    stage.tick_until(lambda: crowd.inside == [("b", 0)])

    crowd.open()
    stage.drain()
    assert len(crowd.done) == 2


def test_a_slot_is_renewed_for_as_long_as_its_run_lasts(stage: Stage, crowd: Crowd) -> None:
    job = crowd.job(limit=Limit(concurrency=1))
    job.delay("a")
    look_often(stage)
    crowd.enter(1)
    for _ in range(6):
        before = versions(stage)
        stage.clock.advance(LASTS / 3)
        until(lambda before=before: versions(stage) != before, "the slot is renewed")
        stage.worker.tick()

    assert crowd.inside == [("a", 0)]
    assert stage.endings == []
    crowd.open()
    stage.drain()
    assert stage.endings == ["success"]


def look_often(stage: Stage) -> None:
    """Let the gate notice soon that a test has moved the clock."""
    assert stage.worker._gate is not None
    stage.worker._gate._keeper.look_again_in = 0.01


def versions(stage: Stage) -> list[int]:
    with closing(store(stage)) as found:
        return [fact.version for fact in found.scan(SLOTS)]


def test_a_run_whose_slot_is_gone_ends_before_somebody_else_could_have_it(
    stage: Stage, crowd: Crowd
) -> None:
    began = threading.Event()

    @stage.app.job(type="limited", limit=Limit(concurrency=1))
    def turns() -> None:
        began.set()
        while True:
            threading.Event().wait(0.001)

    turns.delay()
    stage.tick_until(began.is_set)
    take_slot(stage)
    stage.clock.advance(LASTS - 5)
    stage.tick_until(lambda: "released" in stage.endings)

    assert "retried" not in stage.endings


def test_starts_are_spread_evenly_by_the_rate(stage: Stage) -> None:
    started: list[float] = []

    @stage.app.job(type="paced", limit=Limit(rate="30/min"))
    def paced(n: int) -> None:
        started.append(stage.clock.monotonic())

    begin = stage.clock.monotonic()
    paced.delay_many([(n,) for n in range(5)])
    for _ in range(100):
        quiet(stage)
        stage.clock.advance(0.1)

    assert [at - begin for at in started] == pytest.approx([0, 2, 4, 6, 8], abs=0.11)
    # Each was asked about once, and once more for the one that started at once.
    assert stage.endings.count("limited") == 4


def test_after_a_pause_a_burst_may_start_at_once(stage: Stage) -> None:
    started: list[float] = []

    @stage.app.job(type="paced", limit=Limit(rate="1/s", burst=3))
    def paced(n: int) -> None:
        started.append(stage.clock.monotonic())

    begin = stage.clock.monotonic()
    paced.delay_many([(n,) for n in range(5)])
    for _ in range(30):
        quiet(stage)
        stage.clock.advance(0.1)

    assert [at - begin for at in started] == pytest.approx([0, 0, 0, 1, 2], abs=0.11)


def test_each_run_of_a_job_takes_a_turn_of_its_own(stage: Stage) -> None:
    started: list[float] = []

    @stage.app.job(type="paced", limit=Limit(rate="1/h"), backoff=[1])
    def paced() -> None:
        started.append(stage.clock.monotonic())
        if len(started) == 1:
            raise OSError("again")

    begin = stage.clock.monotonic()
    ref = paced.delay()
    stage.drain()
    stage.clock.advance(2)
    quiet(stage)
    headers = stage.headers(ref.id)
    assert headers["turn"] == pytest.approx(stage.clock.wall() + 3_598, abs=1)
    stage.clock.advance(3_599)
    stage.drain()

    assert [round(at - begin, -1) for at in started] == [0, 3_600]
    assert headers["failures"] == 1


def test_a_turn_that_was_given_is_not_asked_for_again_without_a_slot(
    stage: Stage, crowd: Crowd
) -> None:
    job = crowd.job(limit=Limit(concurrency=1, rate="1/s"))
    job.delay("a")
    crowd.enter(1)
    job.delay("b")
    quiet(stage)
    (waits,) = stage.jobs(JobState.DELAYED)
    assert "turn" not in stage.headers(waits.id)  # a slot comes first, a turn is not lost on it

    crowd.leave()
    stage.tick_until(lambda: stage.headers(waits.id).get("turn"))
    turn = stage.headers(waits.id)["turn"]
    job.using(priority=0).delay("c")
    stage.clock.advance(0.5)
    quiet(stage)
    stage.clock.advance(0.6)
    crowd.enter(1)

    assert crowd.inside == [("b", 0)]
    assert turn <= stage.clock.wall()
    crowd.open()
    for _ in range(30):
        quiet(stage)
        stage.clock.advance(0.1)
    assert len(crowd.done) == 3


def test_what_is_deleted_while_it_waits_keeps_nobody_from_the_slot(
    stage: Stage, crowd: Crowd
) -> None:
    job = crowd.job(limit=Limit(concurrency=1))
    job.delay("a")
    crowd.enter(1)
    gone, waits = job.delay("gone"), job.delay("waits")
    quiet(stage)
    stage.admin.delete([gone.id])

    crowd.leave()
    stage.tick_until(lambda: crowd.inside == [("waits", 0)])

    crowd.open()
    stage.drain()
    assert stage.state(waits.id) == "gone"
    assert store(stage).scan(WAITING) == []


def test_a_suspect_takes_a_slot_like_any_other(stage: Stage, crowd: Crowd) -> None:
    job = crowd.job(limit=Limit(concurrency=1))
    async_done = []

    @stage.app.job(type="async", limit=Limit(concurrency=1))
    async def coroutine(n: int) -> None:
        async_done.append(n)

    coroutine.delay_many([(n,) for n in range(5)])
    job.delay("a")
    crowd.enter(1)
    crowd.open()
    stage.drain()

    assert sorted(async_done) == [0, 1, 2, 3, 4]
