"""Who publishes what is due: several processes at once, each with a timekeeper, and one clock."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime

import pytest

import pulpo
from pulpo.app import Pulpo
from pulpo.clock import ManualClock
from pulpo.envelope import Envelope
from pulpo.errors import QueueUnavailableError, UnsupportedError, UsageError
from pulpo.job import JobState, Settlement, Verb
from pulpo.side import SideStore, side_of
from pulpo.telling.schedules import (
    ScheduleFact,
    TickOutcome,
    read_keepers,
    read_outcomes,
    read_schedules,
    write_schedule,
)
from pulpo.timekeeping import Timekeeper

NINE = datetime(2026, 3, 2, 9, 0, tzinfo=UTC).timestamp()  # a Monday
HOUR = 3_600.0


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(NINE - HOUR)


@pytest.fixture
def app(clock: ManualClock) -> Iterator[Pulpo]:
    with Pulpo("memory://", clock=clock) as app:
        yield app


@pytest.fixture
def store(app: Pulpo) -> Iterator[SideStore]:
    store = side_of(app.engine)
    assert store is not None
    with closing(store):
        yield store


def waiting(app: Pulpo) -> list[Envelope]:
    """Return the jobs that are ready, in order of their ids, which is that of their ticks."""
    with closing(app.engine.admin()) as admin:
        found = [job for queue in admin.queues() for job in admin.list(queue, JobState.READY)]
    return sorted((app.codec.decode(job.body) for job in found), key=lambda each: str(each.id))


def ticks(app: Pulpo) -> list[float | None]:
    return [job.tick for job in waiting(app)]


def run_all(app: Pulpo) -> None:
    """Do what waits, as a worker would that says nothing of it."""
    with closing(app.engine.adapter()) as adapter:
        _, jobs = adapter.exchange([], ["default"], limit=100, timeout=0.0)
        adapter.exchange([Settlement(Verb.DELETE, job) for job in jobs], [], limit=0, timeout=0.0)


def fact(store: SideStore, name: str) -> ScheduleFact:
    return read_schedules(store)[name]


def declare(app: Pulpo, **timing: object) -> None:
    app.schedule("report", args={"of": "all"}, **timing)  # type: ignore[arg-type]


def test_a_new_schedule_begins_now_and_ticks_then(app: Pulpo, clock: ManualClock) -> None:
    declare(app, cron="0 9 * * mon-fri")
    keeper = app.timekeeper()

    assert keeper.tick().next == NINE
    assert waiting(app) == []
    clock.advance(HOUR)
    assert len(keeper.tick().published) == 1
    (job,) = waiting(app)
    assert (job.type, job.body, job.schedule, job.tick) == ("report", {"of": "all"}, "report", NINE)
    assert keeper.tick().published == ()


def test_any_number_of_processes_publishes_each_tick_once(app: Pulpo, clock: ManualClock) -> None:
    declare(app, every="10m")
    keepers = [app.timekeeper() for _ in range(10)]

    published = []
    for step in range(60):
        for keeper in keepers[step % 10 :] + keepers[: step % 10]:
            published += keeper.tick().published
        clock.advance(120.0)

    assert ticks(app) == [NINE - HOUR + 600.0 * n for n in range(1, 12)]
    assert len(published) == 11


def test_who_dies_between_the_put_and_its_word_leaves_nothing_out_and_nothing_twice(
    app: Pulpo, clock: ManualClock, store: SideStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Killed(BaseException):
        pass

    def kill(*_: object) -> bool:
        raise Killed

    declare(app, every="1h")
    first, second = app.timekeeper(), app.timekeeper()
    first.tick(), second.tick()
    clock.advance(HOUR)
    with monkeypatch.context() as patch:
        patch.setattr("pulpo.timekeeping.write_schedule", kill)
        with pytest.raises(Killed):
            first.tick()
    assert ticks(app) == [NINE]
    run_all(app)

    # A week without anybody, and the job is long done.
    clock.advance(6 * 86_400.0)
    assert second.tick().published != ()
    assert ticks(app) == [clock.wall()]
    assert fact(store, "report").published == 1  # the first one is given up: once makes up for one


def test_with_all_the_tick_of_one_who_died_is_known_a_week_later(
    app: Pulpo, clock: ManualClock, store: SideStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Killed(BaseException):
        pass

    def kill(*_: object) -> bool:
        raise Killed

    declare(app, cron="0 9 * * mon", missed="all")
    first, second = app.timekeeper(), app.timekeeper()
    first.tick()
    clock.advance(HOUR)
    with monkeypatch.context() as patch:
        patch.setattr("pulpo.timekeeping.write_schedule", kill)
        with pytest.raises(Killed):
            first.tick()
    run_all(app)
    clock.advance(7 * 86_400.0 - 10.0)

    assert second.tick().published == ()  # it is the same job, and was accepted then
    assert (fact(store, "report").upto, fact(store, "report").published) == (NINE, 1)


def test_what_was_missed_is_made_up_for_as_the_schedule_says(
    app: Pulpo, clock: ManualClock, store: SideStore
) -> None:
    for missed in ("skip", "once", "all"):
        declare(app, every="1h", missed=missed, name=missed)
    keeper = app.timekeeper()
    keeper.tick()
    clock.advance(5 * HOUR + 600.0)
    keeper.tick()

    found = {name: [j.tick for j in waiting(app) if j.schedule == name] for name in
             ("skip", "once", "all")}  # fmt: skip
    hours = [NINE + HOUR * n for n in range(5)]
    assert found == {"skip": [], "once": hours[-1:], "all": hours}
    assert [fact(store, name).missed for name in found] == [5, 4, 0]


def test_a_long_time_is_made_up_for_in_parts_by_whoever_is_there(
    app: Pulpo, clock: ManualClock, store: SideStore
) -> None:
    declare(app, every="10m", missed="all")
    keepers = [app.timekeeper() for _ in range(3)]
    for keeper in keepers:
        keeper.tick()
    clock.advance(24 * HOUR)
    parts = []
    while sum(parts) < 144:
        parts.append(len(keepers[len(parts) % 3].tick().published))

    assert parts == [50, 50, 44]
    assert [len(keeper.tick().published) for keeper in keepers] == [0, 0, 0]
    assert (fact(store, "report").published, fact(store, "report").missed) == (144, 0)


def test_without_overlap_a_tick_is_skipped_while_the_last_one_is_not_done(
    app: Pulpo, clock: ManualClock, store: SideStore
) -> None:
    declare(app, every="1h", overlap="skip")
    keeper = app.timekeeper()
    keeper.tick()
    for _ in range(3):
        clock.advance(HOUR)
        keeper.tick()
    assert ticks(app) == [NINE]
    run_all(app)
    clock.advance(HOUR)
    keeper.tick()

    assert ticks(app) == [NINE + 3 * HOUR]
    assert (fact(store, "report").published, fact(store, "report").skipped) == (2, 2)


def test_one_tick_at_most_waits_until_the_last_one_is_done(
    app: Pulpo, clock: ManualClock, store: SideStore
) -> None:
    declare(app, every="1h", overlap="queue")
    keeper = app.timekeeper()
    keeper.tick()
    for _ in range(4):
        clock.advance(HOUR)
        keeper.tick()
    assert ticks(app) == [NINE]
    assert (fact(store, "report").waiting, fact(store, "report").skipped) == (NINE + HOUR, 2)
    run_all(app)
    clock.advance(5.0)
    keeper.tick()

    assert ticks(app) == [NINE + HOUR]
    assert fact(store, "report").waiting is None


def test_the_word_that_the_last_one_is_done_publishes_who_waits_at_once(
    app: Pulpo, clock: ManualClock, store: SideStore
) -> None:
    declare(app, every="1h", overlap="queue")
    keeper = app.timekeeper()
    keeper.tick()
    for _ in range(2):
        clock.advance(HOUR)
        keeper.tick()
    run_all(app)
    outcome = TickOutcome(
        name="report", id="x", tick=NINE, outcome="success", reason="", seconds=1.0,
        ended=clock.wall(),
    )  # fmt: skip
    keeper.note([outcome])
    keeper.tick()

    assert ticks(app) == [NINE + HOUR]
    assert read_outcomes(store) == {"report": outcome}


def test_a_paused_schedule_publishes_nothing_and_goes_on_from_where_it_is_resumed(
    app: Pulpo, clock: ManualClock, store: SideStore
) -> None:
    declare(app, every="1h", missed="all")
    keeper = app.timekeeper()
    keeper.tick()
    assert write_schedule(store, replace(fact(store, "report"), paused=True))
    clock.advance(3 * HOUR)
    keeper.tick()
    assert ticks(app) == []
    assert write_schedule(store, replace(fact(store, "report"), paused=False, upto=clock.wall()))
    clock.advance(HOUR)
    keeper.tick()

    assert ticks(app) == [NINE + 3 * HOUR]


def test_a_clock_that_is_put_back_publishes_nothing_twice(app: Pulpo, clock: ManualClock) -> None:
    declare(app, every="10m")
    keeper = app.timekeeper()
    for step in (600.0, 600.0, -1_500.0, 600.0, 600.0, 600.0, 600.0):
        clock.jump(step)
        keeper.tick()

    assert ticks(app) == [NINE - HOUR + n * 600.0 for n in (2, 3)]


def test_a_tick_of_a_unique_type_is_skipped_while_the_same_job_is_there(
    app: Pulpo, clock: ManualClock, store: SideStore
) -> None:
    @app.job(type="sync", unique=True, every="1h")
    def sync() -> None: ...

    keeper = app.timekeeper()
    keeper.tick()
    sync.delay()
    clock.advance(HOUR)
    keeper.tick()
    assert ticks(app) == [None]
    run_all(app)
    clock.advance(HOUR)
    keeper.tick()

    assert ticks(app) == [NINE + HOUR]
    assert (fact(store, "sync").published, fact(store, "sync").skipped) == (1, 1)


def test_unique_and_overlap_are_one_too_many(app: Pulpo) -> None:
    @app.job(type="sync", unique=True, every="1h", overlap="skip")
    def sync() -> None: ...

    with pytest.raises(UsageError, match="schedule 'sync': its jobs are unique"):
        app.parts()


def test_a_clock_that_was_years_ahead_stops_a_schedule_for_no_longer_than_itself(
    app: Pulpo, clock: ManualClock, store: SideStore
) -> None:
    declare(app, every="10m")
    keeper = app.timekeeper()
    keeper.tick()
    clock.jump(3_650 * 86_400.0)
    keeper.tick()
    ahead = fact(store, "report").upto
    clock.jump(-3_650 * 86_400.0)
    keeper.tick()
    clock.advance(600.0)
    keeper.tick()

    assert ticks(app) == [NINE - HOUR + 600.0, ahead]


# Two deploys at once


def other(app: Pulpo, clock: ManualClock) -> Pulpo:
    """Return the app of another deploy, on the same queue."""
    made = Pulpo("memory://", clock=clock)
    made.choice.lend(app.choice.connections(), clock)
    return made


def elapse(clock: ManualClock, seconds: float, *keepers: Timekeeper) -> list[int]:
    """Let time pass as it does, half a minute at once; count what each publishes."""
    counts = [0] * len(keepers)
    for _ in range(int(seconds // 30)):
        clock.advance(30.0)
        for number, keeper in enumerate(keepers):
            counts[number] += len(keeper.tick().published)
    return counts


def test_during_a_deploy_the_later_definition_counts(app: Pulpo, clock: ManualClock) -> None:
    declare(app, every="1h")
    old = app.timekeeper(since=(1.0, 1.0))
    old.tick()
    changed = other(app, clock)
    declare(changed, every="30m")
    new = changed.timekeeper(since=(2.0, 2.0))
    new.tick()

    assert elapse(clock, 2 * HOUR, old, new) == [0, 4]
    assert ticks(app) == [NINE - HOUR + n * 1_800.0 for n in range(1, 5)]


def test_a_process_that_is_replaced_does_not_bring_its_old_definition_back(
    app: Pulpo, clock: ManualClock
) -> None:
    declare(app, every="1h")
    changed = other(app, clock)
    declare(changed, every="30m")
    new = changed.timekeeper(since=(2.0, 2.0))
    new.tick()
    restarted = app.timekeeper(since=(1.0, 3.0))  # a new process of the worker of before
    restarted.tick()

    assert elapse(clock, HOUR, restarted, new) == [0, 2]


def test_where_the_later_deploy_is_gone_the_one_before_goes_on(
    app: Pulpo, clock: ManualClock, store: SideStore
) -> None:
    declare(app, every="1h")
    old = app.timekeeper(since=(1.0, 1.0))
    old.tick()
    changed = other(app, clock)
    declare(changed, every="2h")
    canary = changed.timekeeper(since=(2.0, 2.0))
    canary.tick()
    assert elapse(clock, HOUR, old, canary) == [0, 0]
    canary.close()
    assert elapse(clock, HOUR, old) == [1]  # it has said that it ends

    killed = changed.timekeeper(since=(3.0, 3.0))
    killed.tick()
    assert len(read_keepers(store)) == 2
    # Its word has ended meanwhile. That there was a tick at 11 by the rule of before, nobody knew.
    assert elapse(clock, 2 * HOUR, old) == [1]
    assert ticks(app)[-1] == NINE + 3 * HOUR


def test_a_changed_rule_makes_up_for_nothing_that_was_never_due(
    app: Pulpo, clock: ManualClock
) -> None:
    declare(app, cron="0 9 * * *", missed="all")
    before = app.timekeeper(since=(1.0, 1.0))
    before.tick()
    clock.advance(HOUR)
    before.tick()
    clock.advance(5 * HOUR)
    before.close()
    changed = other(app, clock)
    declare(changed, every="1h", missed="all")
    after = changed.timekeeper(since=(2.0, 2.0))
    after.tick()
    assert ticks(app) == [NINE]
    clock.advance(HOUR)
    after.tick()

    assert ticks(app) == [NINE, NINE + 6 * HOUR]


def test_other_arguments_count_from_the_next_tick_on(app: Pulpo, clock: ManualClock) -> None:
    declare(app, every="1h")
    app.timekeeper(since=(1.0, 1.0)).tick()
    changed = other(app, clock)
    changed.schedule("report", args={"of": "some"}, every="1h")
    clock.advance(HOUR)
    changed.timekeeper(since=(2.0, 2.0)).tick()

    assert [job.body for job in waiting(app)] == [{"of": "some"}]


# What goes wrong


def test_what_cannot_be_published_is_tried_again_and_said_once(
    app: Pulpo, clock: ManualClock
) -> None:
    declare(app, every="1h")
    said: list[tuple[str, str]] = []
    keeper = app.timekeeper()
    keeper.say = lambda level, text: said.append((level, text))
    keeper.tick()
    clock.advance(HOUR)
    is_broken = True

    @app.around("publish")
    def refuse(message: pulpo.Message) -> Iterator[None]:
        if is_broken:
            raise RuntimeError("not now")
        yield

    for _ in range(3):
        ticked = keeper.tick()
        assert ticked.published == ()
        assert ticked.next is not None
        clock.advance(ticked.next - clock.wall())
    is_broken = False
    assert len(keeper.tick().published) == 1

    assert ticks(app) == [NINE]
    assert [level for level, _ in said] == ["WARNING", "INFO"]
    assert "schedule 'report'" in said[0][1]
    assert "RuntimeError: not now" in said[0][1]


def test_a_side_store_that_is_away_stops_nothing_for_good(
    app: Pulpo, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    declare(app, every="1h")
    said: list[str] = []
    keeper = app.timekeeper()
    keeper.say = lambda level, text: said.append(level)
    keeper.tick()
    clock.advance(HOUR)

    def away(*_: object) -> None:
        raise QueueUnavailableError("gone")

    with monkeypatch.context() as patch:
        patch.setattr("pulpo.timekeeping.read_schedules", away)
        keeper.tick()
        clock.advance(2.0)
        keeper.tick()
    clock.advance(4.0)
    keeper.tick()

    assert ticks(app) == [NINE]
    assert said == ["WARNING", "INFO"]


def test_a_queue_where_workers_cannot_agree_is_refused_by_name(clock: ManualClock) -> None:
    with Pulpo("beanstalkd://127.0.0.1:1", clock=clock) as app:
        declare(app, every="1h")
        with pytest.raises(UnsupportedError, match=r"\?side="):
            app.timekeeper()
        with pytest.raises(UnsupportedError, match=r"\?side="):
            app.parts()


def test_an_app_without_schedules_pays_nothing(app: Pulpo) -> None:
    assert app.parts().ticker is None


# How it is declared


def test_a_decorated_job_is_its_own_schedule(app: Pulpo, clock: ManualClock) -> None:
    @app.job(type="tidy", queue="night", priority=7, every="1h", overlap="skip")
    def tidy(*, deep: bool = False) -> None: ...

    keeper = app.timekeeper()
    keeper.tick()
    clock.advance(HOUR)
    keeper.tick()

    (job,) = waiting(app)
    assert (job.type, job.queue, job.priority, job.schedule) == ("tidy", "night", 7, "tidy")


def test_a_schedule_publishes_a_call_with_its_own_options(app: Pulpo, clock: ManualClock) -> None:
    @app.job(type="mail")
    def mail(to: str, *, lang: str = "en") -> None: ...

    app.schedule(mail.using(priority=3, expires="1h"), args=("ana",), every="1h", name="ana")
    app.schedule(mail, args={"to": "bob", "lang": "de"}, every="1h", name="bob")
    keeper = app.timekeeper()
    keeper.tick()
    clock.advance(HOUR)
    keeper.tick()

    found = {job.schedule: job for job in waiting(app)}
    assert found["ana"].body == {"to": "ana"}
    assert (found["ana"].priority, found["ana"].expires) == (3, NINE + HOUR)
    assert found["bob"].body == {"to": "bob", "lang": "de"}


def test_a_message_can_be_scheduled(app: Pulpo, clock: ManualClock) -> None:
    app.schedule(pulpo.Message(type="x", body=[1], headers={"tenant": "a"}), every="1h")
    keeper = app.timekeeper()
    keeper.tick()
    clock.advance(HOUR)
    keeper.tick()

    (job,) = waiting(app)
    assert (job.body, job.user_headers()) == ([1], {"tenant": "a"})


def test_a_handler_knows_its_tick(app: Pulpo, clock: ManualClock) -> None:
    seen: list[object] = []

    @app.job(type="r", every="1h")
    def report() -> None:
        run = pulpo.current_job()
        seen.append((run.schedule, run.tick, dict(run.headers)))

    keeper = app.timekeeper()
    keeper.tick()
    clock.advance(HOUR + 10.0)
    keeper.tick()
    report.delay()
    app.run_worker(burst=True, threads=1)

    assert seen == [("r", datetime.fromtimestamp(NINE, UTC), {}), (None, None, {})]


def test_the_same_module_twice_is_no_second_schedule(app: Pulpo) -> None:
    for _ in range(2):
        declare(app, every="1h")
    with pytest.raises(UsageError, match="another name="):
        declare(app, every="2h")

    assert len(app.recurring.schedules()) == 1


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({}, "neither is given"),
        ({"every": "1h", "tz": "UTC"}, "tz is for cron"),
        ({"every": "1h", "cron": "* * * * *"}, "not both"),
        ({"overlap": "skip"}, "only beside one of them"),
        ({"every": "1h", "missed": "never"}, "missed must be one of skip, once, all"),
        ({"every": "1h", "within": "5s"}, "within must be 1m or more"),
        ({"every": "1h", "evry": 1}, "unknown option 'evry'"),
        ({"every": "1h", "name": "two words"}, "without spaces"),
    ],
)
def test_a_wrong_word_is_refused_where_it_is_said(
    app: Pulpo, given: dict[str, object], says: str
) -> None:
    with pytest.raises(UsageError, match=says):
        declare(app, **given)


def test_what_cannot_be_scheduled_is_refused(app: Pulpo) -> None:
    @app.job(type="mail")
    def mail(to: str) -> None: ...

    with pytest.raises(TypeError, match="mail"):
        app.schedule(mail, every="1h")
    with pytest.raises(TypeError, match="job function, a message or the name"):
        app.schedule(print, every="1h")  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="no delay and no at"):
        app.schedule(mail.using(delay="1h"), args=("a",), every="1h")
    with pytest.raises(UsageError, match="so long after its tick"):
        app.schedule(mail.using(expires=datetime.now(UTC)), args=("a",), every="1h")
    with pytest.raises(UsageError, match="leave out args"):
        app.schedule(pulpo.Message(type="x"), args=(1,), every="1h")
    with pytest.raises(UsageError, match=r"pulpo.schedule\(job, args="):

        @app.job(type="other", every="1h")
        def other(to: str) -> None: ...

    with pytest.raises(UsageError, match="header 'schedule' is pulpo's own"):
        pulpo.Message(type="x", headers={"schedule": "y"})
