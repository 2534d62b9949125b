"""Slots of types and queues in one process: a slow type cannot take every thread."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest

from pulpo import Pulpo
from pulpo.errors import UsageError, WrongTypeError
from pulpo.job import JobState
from pulpo.run import Run
from pulpo.worker.lanes import Lanes
from pulpo.worker.settings import WorkerSettings, queue_with_slots, told_queues
from tests.worker.stage import Stage, run_of
from tests.worker.test_limits import Crowd

Make = Callable[..., Stage]


def lanes(*, queues: tuple[str, ...] = (), slots: Any = (), **types: Any) -> Lanes:
    app = Pulpo("memory://")
    for type, options in types.items():
        app.register(type, lambda message: None, **options)
    found = Lanes.of(app.registry, WorkerSettings(queues=queues, queue_slots=slots))
    assert found is not None
    return found


def run(type: str, number: int, *, queue: str = "default") -> Run:
    made = run_of(number=number)
    made.type, made.queue = type, queue
    app = Pulpo("memory://")
    app.register(type, lambda message: None)
    made.job_type = app.registry[type]
    return made


def test_without_a_number_there_are_no_lanes() -> None:
    app = Pulpo("memory://")
    app.register("t", lambda message: None)

    assert Lanes.of(app.registry, WorkerSettings()) is None


def test_a_type_has_as_many_slots_as_it_says_and_gets_them_back() -> None:
    found = lanes(slow={"slots": 2}, quick={})
    one, two, three = (run("slow", n) for n in range(3))

    assert [found.take(each) for each in (one, two, three)] == [True, True, False]
    assert all(found.take(run("quick", n)) for n in range(10, 20))
    found.end(one)
    found.end(one)
    assert [found.take(three), found.take(run("slow", 4))] == [True, False]


def test_a_few_wait_here_for_the_next_slot() -> None:
    found = lanes(slow={"slots": 2}, quick={})
    runs = [run("slow", n) for n in range(5)]
    assert [found.take(each) for each in runs] == [True, True, False, False, False]
    assert [found.wait(each) for each in runs[2:]] == [True, True, False]
    assert found.begin() == []

    found.end(runs[0])

    assert found.begin() == [runs[2]]
    assert found.take_back() == [runs[3]]
    assert found.take_back() == []


def test_a_queue_with_slots_is_asked_for_no_more_and_left_out_when_it_is_full() -> None:
    found = lanes(slots=[("mail", 2)], slow={"queue": "mail"}, quick={})
    rooms = {"mail": 8, "default": 8}
    assert found.narrowed(rooms) == (("mail", "default"), 2)
    one, two = run("slow", 1, queue="mail"), run("slow", 2, queue="mail")
    found.take(one)
    assert found.narrowed(rooms) == (("mail", "default"), 1)

    found.take(two)

    assert found.narrowed(rooms) == (("default",), 8)
    found.end(two)
    assert found.narrowed(rooms) == (("mail", "default"), 1)


def test_a_queue_with_few_slots_does_not_slow_down_the_others() -> None:
    found = lanes(slots=[("mail", 2)], slow={"queue": "mail"}, quick={})
    rooms = {"mail": 200, "default": 200}
    asked = []
    for _ in range(4):
        queues, limit = found.narrowed(rooms)
        asked.append((queues, limit, found.is_partial))
        found.came(limit)

    narrow, wide = (("mail", "default"), 2, False), (("default",), 200, True)
    assert asked == [narrow, wide, narrow, wide]
    found.narrowed(rooms)
    found.came(1)  # not all that there was room for: nobody else was held up
    assert not found.is_partial
    assert found.narrowed(rooms) == (("mail", "default"), 2)
    assert not found.is_partial


def test_a_queue_of_nothing_but_such_types_has_the_slots_of_all_of_them() -> None:
    found = lanes(slow={"slots": 2, "queue": "slow"}, slower={"slots": 1, "queue": "slow"})
    rooms = {"slow": 8}
    assert found.narrowed(rooms) == (("slow",), 3)

    for number in range(2):
        assert found.take(run("slow", number, queue="slow"))
    assert found.narrowed(rooms) == (("slow",), 1)
    found.take(run("stranger", 9, queue="slow"))  # published there by somebody all the same

    assert found.narrowed(rooms) == (("slow",), 8)


def test_what_cannot_run_here_closes_its_queue_until_a_slot_of_its_type_is_free() -> None:
    found = lanes(slow={"slots": 1}, other={"slots": 1, "queue": "b"}, quick={})
    one, other = run("slow", 1), run("other", 2, queue="b")
    found.take(one)
    found.take(other)
    found.close(run("slow", 3))
    assert found.narrowed({"default": 8}) == ((), 0)

    found.end(other)
    assert found.narrowed({"default": 8}) == ((), 0)
    found.end(one)

    assert found.narrowed({"default": 8}) == (("default",), 8)


def test_a_slow_type_takes_only_its_slots_and_others_of_its_queue_go_on(make_stage: Make) -> None:
    stage = make_stage(threads=4, burst=False)
    crowd = Crowd(stage)
    ran: list[int] = []

    @stage.app.job(type="quick")
    def quick(n: int) -> None:
        ran.append(n)

    slow = crowd.job("slow", slots=2)
    slow.using(priority=0).delay_many([("a", n) for n in range(40)])
    quick.delay_many([(n,) for n in range(40)])

    stage.tick_until(lambda: len(ran) == 40 and not stage.jobs(JobState.READY))

    assert len(crowd.inside) == crowd.most == 2
    # Two more wait here, the rest at a distance: nothing is reserved again and again.
    assert len(stage.jobs(JobState.DELAYED)) == 36
    assert len(stage.jobs(JobState.RESERVED)) == 4
    assert stage.endings.count("limited") == 36
    assert {job.due <= 1.1 for job in stage.jobs(JobState.DELAYED)} == {True}


def test_in_a_burst_everything_is_done_in_its_slots(make_stage: Make) -> None:
    stage = make_stage(threads=4, burst=True)
    crowd = Crowd(stage)
    ran: list[int] = []

    @stage.app.job(type="quick")
    def quick(n: int) -> None:
        ran.append(n)

    slow = crowd.job("slow", slots=2)
    crowd.open()
    slow.using(priority=0).delay_many([("a", n) for n in range(40)])
    quick.delay_many([(n,) for n in range(40)])

    stage.worker.run()

    assert (len(crowd.done), len(ran)) == (40, 40)
    assert crowd.most <= 2
    assert not stage.jobs()


def test_what_waits_for_a_slot_here_is_handed_back_at_a_stop(make_stage: Make) -> None:
    stage = make_stage(threads=4, burst=False)
    crowd = Crowd(stage)
    slow = crowd.job("slow", slots=1)
    stage.app.register("quick", lambda message: None)
    slow.delay_many([("a", n) for n in range(2)])
    crowd.enter(1)
    stage.tick_until(lambda: len(stage.jobs(JobState.RESERVED)) == 2)

    stage.worker.stop()
    stage.worker.tick()
    crowd.open()
    stage.worker.run()

    assert sorted(stage.endings) == ["released", "success"]
    (back,) = stage.jobs()
    assert (back.state, back.crashes) == (JobState.READY, 0)


def test_a_type_with_slots_and_a_limit_keeps_both(make_stage: Make) -> None:
    stage = make_stage(threads=8)
    crowd = Crowd(stage)
    job = crowd.job("slow", slots=3, limit={"concurrency": 2})
    job.delay_many([("a", n) for n in range(10)])
    crowd.enter(2)
    crowd.open()

    stage.drain()

    assert crowd.most == 2
    assert len(crowd.done) == 10


def test_coroutines_have_slots_as_well(make_stage: Make) -> None:
    stage = make_stage(threads=1)
    inside: list[int] = []
    most: list[int] = []
    lock = threading.Lock()

    @stage.app.job(type="slow", slots=2)
    async def slow(n: int) -> None:
        import asyncio

        with lock:
            inside.append(n)
            most.append(len(inside))
        await asyncio.sleep(0.005)
        with lock:
            inside.remove(n)

    slow.delay_many([(n,) for n in range(10)])
    stage.drain()

    assert (max(most), len(most)) == (2, 10)


@pytest.mark.parametrize(
    ("text", "found"),
    [("mail", ("mail", None)), ("mail:2", ("mail", 2)), ("a.b-c:10", ("a.b-c", 10))],
)
def test_a_queue_may_say_how_many_run_at_once(text: str, found: tuple[str, int | None]) -> None:
    assert queue_with_slots(text) == found


@pytest.mark.parametrize("text", ["mail:", "mail:0", "mail:-1", "mail:two", ":2", "", "mail:²"])
def test_what_is_no_queue_with_slots_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match=r"like 'mail:2'|queue must"):
        queue_with_slots(text)


def test_what_is_no_text_is_no_queue() -> None:
    with pytest.raises(WrongTypeError):
        queue_with_slots(7)


def test_the_last_word_on_a_queue_counts() -> None:
    told = told_queues([("mail", 2), ("default", None), ("mail", 3)])

    assert told == {"queues": ("mail", "default"), "queue_slots": (("mail", 3),)}
