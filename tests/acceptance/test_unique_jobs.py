"""Unique jobs and ids of the caller's own, from the call to the run: one app, every ending."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

import pulpo
from pulpo.adapters.postgresql import PostgreSQLEngine
from pulpo.clock import ManualClock
from pulpo.job import JobState, ListedJob
from tests.acceptance.command_line import CommandLine
from tests.lab.beanstalkd import Beanstalkd
from tests.lab.processes import until

ONE_DAY = 86_400.0
# Another process sees these too: a queue in memory is its process's own.
SHARED = ["file", "beanstalkd", "postgresql"]


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture(params=["memory", *SHARED])
def app(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Any]:
    """Return an app on each engine; beanstalkd's guards are in a file beside it."""
    url = {"memory": "memory://", "file": f"sqlite:///{tmp_path}/queue.db"}.get(request.param)
    if request.param == "postgresql":
        url = request.getfixturevalue("postgresql_url")
    if url is None:
        server = request.getfixturevalue("private_server")
        url = f"{server.url}?side=sqlite:///{tmp_path}/side.db"
    with pulpo.Pulpo(url) as found:
        yield found


@pytest.fixture
def private_server(beanstalkd_program: str) -> Iterator[Beanstalkd]:
    with Beanstalkd() as server:
        yield server


@pytest.fixture(params=["memory", "file", "postgresql"])
def timed(request: pytest.FixtureRequest, tmp_path: Path, clock: ManualClock) -> Iterator[Any]:
    """Return an app whose time is moved by `clock`."""
    url = "memory://" if request.param == "memory" else f"sqlite:///{tmp_path}/queue.db"
    if request.param == "postgresql":
        url = request.getfixturevalue("postgresql_url")
    with pulpo.Pulpo(url, clock=clock) as found:
        yield found


@pytest.fixture
def ran() -> list[Any]:
    """Return what the handlers below have noted."""
    return []


def jobs(app: pulpo.Pulpo, state: JobState | None = None) -> list[ListedJob]:
    admin = app.engine.admin()
    try:
        return list(admin.list(state=state))
    finally:
        admin.close()


def said(app: pulpo.Pulpo, job: ListedJob) -> Any:
    return app.codec.decode(job.body)


def kick(app: pulpo.Pulpo, id: str) -> bool:
    admin = app.engine.admin()
    try:
        return list(admin.kick([id])) == [True]
    finally:
        admin.close()


# A second one


def test_a_second_one_is_the_first_while_that_waits(app: pulpo.Pulpo, ran: list[Any]) -> None:
    @app.job(unique=pulpo.Unique(by="user_id"), queue="mail")
    def welcome(user_id: int, lang: str = "en") -> None:
        ran.append((user_id, lang))

    first, second = welcome.delay(7), welcome.delay(7, lang="de")
    other = welcome.delay(8)

    assert (first.existing, other.existing) == (False, False)
    assert second == pulpo.JobRef(first.id, "mail", existing=True)
    app.run_worker(burst=True)
    assert sorted(ran) == [(7, "en"), (8, "en")]

    assert not welcome.delay(7).existing


def test_an_event_loop_is_told_too(app: pulpo.Pulpo) -> None:
    @app.job(unique=True)
    def welcome(user_id: int) -> None: ...

    async def twice() -> list[pulpo.JobRef]:
        return [await welcome.adelay(7), *(await welcome.adelay_many([(7,), (8,)]))]

    first, same, other = asyncio.run(twice())

    assert same == pulpo.JobRef(first.id, "default", existing=True)
    assert not other.existing


def test_one_batch_has_each_of_them_once(app: pulpo.Pulpo, ran: list[Any]) -> None:
    @app.job(unique=True)
    def welcome(user_id: int) -> None:
        ran.append(user_id)

    found = welcome.delay_many([(1,), (2,), (1,), (2,), (3,)])

    assert [ref.existing for ref in found] == [False, False, True, True, False]
    assert [found[0].id, found[1].id] == [found[2].id, found[3].id]
    app.run_worker(burst=True)
    assert sorted(ran) == [1, 2, 3]


def test_one_call_may_be_unique_and_another_not(app: pulpo.Pulpo) -> None:
    @app.job(unique=True)
    def always(user_id: int) -> None: ...

    @app.job
    def never(user_id: int) -> None: ...

    always.delay(7)
    assert not always.using(unique=False).delay(7).existing
    assert always.using(unique=False).using(unique=None).delay(7).existing

    never.delay(7)
    once = never.using(unique=pulpo.Unique(by="user_id"))
    assert [once.delay(7).existing, once.delay(7).existing] == [False, True]


def test_the_values_count_and_not_the_queue(app: pulpo.Pulpo) -> None:
    @app.job(unique=True)
    def welcome(user_id: int) -> None: ...

    first = welcome.using(queue="a", priority=3).delay(7)

    assert welcome.using(queue="b").delay(7) == pulpo.JobRef(first.id, "a", existing=True)


def test_a_handler_that_is_no_function_may_be_unique(app: pulpo.Pulpo) -> None:
    app.register("image.resize", lambda message: None, unique=pulpo.Unique(by="path"))

    def publish(**body: object) -> pulpo.JobRef:
        return app.publish(pulpo.Message(type="image.resize", body=body))

    first = publish(path="a.png", width=1)

    assert publish(path="a.png", width=2).id == first.id
    assert not publish(path="b.png", width=1).existing
    with pytest.raises(pulpo.UsageError, match=r"'image\.resize' is unique by 'path'"):
        publish(width=1)


def test_a_settings_file_says_it_too(
    app: pulpo.Pulpo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "pulpo.toml").write_text(
        '[handlers]\n"image.resize" = { handler = "shop:resize", unique = { by = "path" } }\n'
        '"image.purge" = { handler = "shop:purge", unique = true }\n'
    )
    monkeypatch.chdir(tmp_path)
    message = pulpo.Message(type="image.resize", body={"path": "a.png"})

    assert not app.publish(message).existing
    assert app.publish(message).existing
    purges = [pulpo.Message(type="image.purge"), pulpo.Message(type="image.purge")]
    assert [ref.existing for ref in app.publish_many(purges)] == [False, True]


def test_only_a_job_that_was_added_is_told(app: pulpo.Pulpo) -> None:
    told: list[str] = []

    @app.job(unique=True)
    def welcome(user_id: int) -> None: ...

    app.on("published", lambda event: told.append(event.id))
    found = [welcome.delay(7), welcome.delay(7), welcome.delay(8)]
    app.close()
    app.run_worker(burst=True)  # which waits for the listeners

    assert told == [found[0].id, found[2].id]


# Until when


@pytest.mark.parametrize("outcome", [pulpo.Retry(delay="1h"), pulpo.Snooze("1h")])
def test_a_job_that_runs_again_keeps_others_out(app: pulpo.Pulpo, outcome: object) -> None:
    @app.job(unique=True)
    def welcome(user_id: int) -> object:
        return outcome

    first = welcome.delay(7)
    app.run_worker(burst=True)

    assert [job.state for job in jobs(app)] == [JobState.DELAYED]
    assert welcome.delay(7) == pulpo.JobRef(first.id, "default", existing=True)


def test_a_job_that_is_being_run_keeps_others_out(app: pulpo.Pulpo, ran: list[Any]) -> None:
    @app.job(unique=True)
    def welcome(user_id: int) -> None:
        ran.append(welcome.delay(user_id))

    first = welcome.delay(7)
    app.run_worker(burst=True)

    assert ran == [pulpo.JobRef(first.id, "default", existing=True)]
    assert jobs(app) == []


@pytest.mark.parametrize("outcome", [None, pulpo.Cancel("no")])
def test_a_job_that_is_gone_keeps_nobody_out(app: pulpo.Pulpo, outcome: object) -> None:
    @app.job(unique=True)
    def welcome(user_id: int) -> object:
        return outcome

    welcome.delay(7)
    app.run_worker(burst=True)

    assert not welcome.delay(7).existing


def test_a_buried_job_keeps_nobody_out_and_is_not_kicked_beside_another(app: pulpo.Pulpo) -> None:
    fails = [True]

    @app.job(unique=True, retries=0)
    def welcome(user_id: int) -> None:
        if fails:
            raise ConnectionError("no answer")

    first = welcome.delay(7)
    app.run_worker(burst=True)
    second = welcome.delay(7)
    assert not second.existing

    assert not kick(app, first.id)
    fails.clear()
    app.run_worker(burst=True)
    assert kick(app, first.id)

    assert welcome.delay(7).id == first.id


def test_a_run_that_has_started_may_be_all_that_counts(app: pulpo.Pulpo, ran: list[Any]) -> None:
    @app.job(unique=pulpo.Unique(until="started"), retries=3, backoff=0)
    def refresh(page: str) -> None:
        ran.append(page)
        if len(ran) == 1:
            assert not refresh.delay(page).existing
            raise ConnectionError("no answer")

    refresh.delay("a")
    assert refresh.delay("a").existing
    until(lambda: app.run_worker(burst=True) and len(ran) == 3, "the retry")

    assert ran == ["a"] * 3  # the first one failed once, and did not mind the second


def test_a_time_counts_whatever_becomes_of_the_job(timed: pulpo.Pulpo, clock: ManualClock) -> None:
    @timed.job(unique=pulpo.Unique(by="page", until="10m"))
    def refresh(page: str) -> None: ...

    first = refresh.delay("a")
    timed.run_worker(burst=True)

    clock.advance(599)
    assert refresh.delay("a") == pulpo.JobRef(first.id, "default", existing=True)
    clock.advance(2)
    assert not refresh.delay("a").existing


# What becomes of the first


def test_the_second_may_take_the_place_of_the_first(app: pulpo.Pulpo, ran: list[Any]) -> None:
    @app.job(unique=pulpo.Unique(by="user_id", on_conflict="replace"))
    def notify(user_id: int, text: str) -> None:
        run = pulpo.current_job()
        ran.append((run.id, text, run.attempt, dict(run.headers), run.priority))

    first = notify.schedule_in("1h", 7, "old")
    later = notify.using(priority=3, headers={"tenant": "acme"}).delay(7, "new")

    assert later == pulpo.JobRef(first.id, "default", existing=True)
    app.run_worker(burst=True)
    assert ran == [(first.id, "new", 1, {"tenant": "acme"}, 3)]
    assert not notify.delay(7, "again").existing


def test_who_takes_the_place_of_a_job_that_failed_begins_anew(
    app: pulpo.Pulpo, ran: list[Any]
) -> None:
    @app.job(unique=pulpo.Unique(by="user_id", on_conflict="replace"), backoff="1h")
    def notify(user_id: int, text: str) -> None:
        ran.append((text, pulpo.current_job().attempt))
        if text == "old":
            raise ConnectionError("no answer")

    first = notify.delay(7, "old")
    app.run_worker(burst=True)
    assert notify.delay(7, "new").id == first.id
    assert notify.delay(7, "newer").id == first.id
    app.run_worker(burst=True)

    assert ran == [("old", 1), ("newer", 1)]


def test_the_second_may_only_move_the_first(
    timed: pulpo.Pulpo, ran: list[Any], clock: ManualClock
) -> None:
    @timed.job(unique=pulpo.Unique(by="user_id", on_conflict="reschedule"))
    def remind(user_id: int, text: str) -> None:
        ran.append((pulpo.current_job().id, text))

    then = datetime.fromtimestamp(clock.wall() + 7_200, UTC)
    first = remind.using(priority=9).schedule_in("1h", 7, "first")
    assert remind.schedule_at(then, 7, "second").id == first.id

    (job,) = jobs(timed)
    assert (job.due, job.priority) == (pytest.approx(7_200.0), 9)
    assert said(timed, job).due == then.timestamp()
    clock.advance(3_601)
    timed.run_worker(burst=True)
    assert ran == []
    assert remind.delay(7, "third").id == first.id
    timed.run_worker(burst=True)
    assert ran == [(first.id, "first")]


@pytest.mark.parametrize("conflict", ["replace", "reschedule"])
def test_a_first_one_that_is_being_run_stays_as_it_is(
    app: pulpo.Pulpo, ran: list[Any], conflict: Any
) -> None:
    @app.job(unique=pulpo.Unique(by="user_id", on_conflict=conflict))
    def notify(user_id: int, text: str) -> None:
        ran.append((text, notify.delay(7, "new").existing))

    notify.delay(7, "old")
    app.run_worker(burst=True)

    assert ran == [("old", True)]
    assert jobs(app) == []


# An id of the caller's own


def test_an_id_that_is_given_is_one_job_for_a_day(
    timed: pulpo.Pulpo, ran: list[Any], clock: ManualClock
) -> None:
    @timed.job
    def ship(order: int) -> None:
        ran.append((pulpo.current_job().id, order))

    ours = ship.using(id="order-17")
    assert ours.delay(17) == pulpo.JobRef("order-17", "default")
    assert ours.delay(18) == pulpo.JobRef("order-17", "default", existing=True)
    timed.run_worker(burst=True)
    assert ours.delay(17).existing
    clock.advance(ONE_DAY + 1)
    assert not ours.delay(17).existing

    timed.run_worker(burst=True)
    assert ran == [("order-17", 17), ("order-17", 17)]


def test_a_message_may_bring_its_id(app: pulpo.Pulpo) -> None:
    one = pulpo.Message(type="t", id="order-17")
    other = pulpo.Message(type="u", id="order-17")

    assert not app.publish(one).existing
    assert app.publish(other) == pulpo.JobRef("order-17", "default", existing=True)


def test_a_message_without_an_id_of_its_own_may_be_published_twice(app: pulpo.Pulpo) -> None:
    message = pulpo.Message(type="t")

    assert [app.publish(message).existing for _ in range(2)] == [False, False]
    assert {job.id for job in jobs(app)} == {message.id}


def test_the_same_unique_message_may_be_published_again_after_a_doubt(app: pulpo.Pulpo) -> None:
    message = pulpo.Message(type="t", unique=pulpo.Unique(on_conflict="replace"))
    app.publish(message)

    assert app.publish(message) == pulpo.JobRef(message.id, "default", existing=True)
    assert len(jobs(app)) == 1


def test_an_id_and_a_key_go_together(app: pulpo.Pulpo) -> None:
    @app.job(unique=True)
    def ship(order: int) -> None: ...

    first = ship.delay(17)
    ours = ship.using(id="order-17")

    assert ours.delay(17).id == first.id
    app.run_worker(burst=True)
    assert ours.delay(17) == pulpo.JobRef("order-17", "default")
    app.run_worker(burst=True)
    assert ours.delay(17).existing


def test_a_handler_may_publish_its_message_again_and_again(
    app: pulpo.Pulpo, ran: list[Any]
) -> None:
    def again(message: pulpo.Message) -> None:
        ran.append(message.id)
        if len(ran) < 3:
            assert not app.publish(message).existing

    app.register("again", again)
    app.publish(pulpo.Message(type="again"))
    app.run_worker(burst=True)

    # In PostgreSQL ids are unique among the jobs that are there: the one that runs is there.
    assert len(ran) == (1 if isinstance(app.engine, PostgreSQLEngine) else 3)


def test_an_id_is_that_of_one_job(app: pulpo.Pulpo) -> None:
    @app.job
    def ship(order: int) -> None: ...

    ours = ship.using(id="order-17")

    with pytest.raises(pulpo.UsageError, match="an id is that of one job: 'order-17'"):
        ours.delay_many([(1,), (2,)])
    assert ours.delay_many([(1,)]) == [pulpo.JobRef("order-17", "default")]
    assert len({ours.using(id=None).delay(n).id for n in range(3)}) == 3
    with pytest.raises(pulpo.UsageError, match="id must be"):
        ship.using(id="order 17")


def test_middleware_that_adds_headers_changes_no_id(app: pulpo.Pulpo) -> None:
    @app.around("publish")
    def tenant(message: pulpo.Message) -> Any:
        yield message.with_headers({"tenant": "acme"})

    one = pulpo.Message(type="t", id="order-17")

    assert [app.publish(one).existing for _ in range(2)] == [False, True]


# Where guards are kept


def test_without_a_place_for_guards_beanstalkd_takes_no_job_that_has_some(
    private_server: Beanstalkd,
) -> None:
    with pulpo.Pulpo(private_server.url) as app:

        @app.job(unique=True)
        def welcome(user_id: int) -> None: ...

        for publish in (
            lambda: welcome.delay(7),
            lambda: app.publish(pulpo.Message(type="t", id="order-17")),
            lambda: welcome.delay_many([(7,), (8,)]),
        ):
            with pytest.raises(pulpo.UnsupportedError, match=r"\?side="):
                publish()
        with pytest.raises(pulpo.UnsupportedError, match=r"welcome' is unique, .*\?side="):
            app.run_worker(burst=True)
        assert jobs(app) == []
        assert not welcome.using(unique=False).delay(7).existing


def test_a_worker_of_unique_jobs_says_at_its_start_what_is_missing(
    private_server: Beanstalkd, tmp_path: Path
) -> None:
    (tmp_path / "tasks.py").write_text(
        "import pulpo\n\n@pulpo.job(type='mail', unique=True)\ndef mail(user_id): ...\n"
    )
    plain = CommandLine(tmp_path, private_server.url)
    told = plain("worker", "tasks", "--burst")
    assert (told.code, told.out) == (5, "")
    assert "'mail' is unique, and this queue itself keeps no guards" in told.err
    checked = plain("check", "tasks")
    assert checked.code == 1
    assert "fault    tasks mail unique: 'mail' is unique" in checked.out

    beside = CommandLine(tmp_path, f"{private_server.url}?side=sqlite:///{tmp_path}/side.db")
    assert beside("check", "tasks").code == 0
    assert beside("worker", "tasks", "--burst").code == 0


@pytest.mark.parametrize("app", SHARED, indirect=True)
def test_an_operator_is_told_who_holds_the_key_of_a_buried_job(
    app: pulpo.Pulpo, tmp_path: Path
) -> None:
    told = CommandLine(tmp_path, app.shown_url)

    @app.job(type="mail", unique=True, retries=0)
    def mail(user_id: int) -> None:
        raise ConnectionError("no answer")

    first = mail.delay(7)
    app.run_worker(burst=True)
    second = mail.delay(7)

    (found,) = told("explain", first.id, "--json").lines
    assert [reason["code"] for reason in found["reasons"]] == ["buried", "duplicate_of"]
    assert f"job {second.id} holds its key" in told("explain", first.id).out
    kicked = told("jobs", "kick", first.id)
    assert kicked.code == 5
    assert kicked.err.startswith(
        f"not kicked: {first.id} is buried, and job {second.id} holds its key\n"
    )
    some = told("jobs", "kick", "--state", "buried", "--yes")
    assert (some.code, some.out) == (0, "kicked 0 jobs, left 1\n")
    assert told("jobs", "kick", "--all", "-q", "default").out == "kicked 0 jobs\n"
    (shown,) = told("jobs", "show", first.id, "--json").lines
    assert [guard["until"] for guard in shown["guards"]] == ["done"]
    key = shown["guards"][0]["key"]
    assert key.startswith("unique:mail:")
    assert f"key       {key}, held until done" in told("jobs", "show", first.id).out

    assert told("jobs", "delete", second.id).code == 0
    assert [r["code"] for r in told("explain", first.id, "--json").lines[0]["reasons"]] == [
        "buried"
    ]
    assert told("jobs", "kick", first.id).code == 0


@pytest.mark.parametrize("app", SHARED, indirect=True)
@pytest.mark.parametrize("verb", ["edit", "move"])
def test_a_job_that_an_operator_changes_keeps_its_key(
    app: pulpo.Pulpo, tmp_path: Path, verb: str
) -> None:
    told = CommandLine(tmp_path, app.shown_url)

    @app.job(type="mail", unique=pulpo.Unique(by="user_id"))
    def mail(user_id: int, lang: str = "en") -> None: ...

    first = mail.delay(7)
    options = ("--set", 'lang="de"') if verb == "edit" else ("--to", "elsewhere")
    assert told("jobs", verb, first.id, *options).code == 0

    assert mail.delay(7).id == first.id


def test_check_finds_what_is_wrong_with_unique(tmp_path: Path) -> None:
    (tmp_path / "tasks.py").write_text(
        "import pulpo\n"
        "@pulpo.job(type='a', unique=pulpo.Unique(by='user'))\ndef a(user_id): ...\n"
        "@pulpo.job(type='b', unique='yes')\ndef b(user_id): ...\n"
        "@pulpo.job(type='c', unique={'by': 'user_id', 'for': '1h'})\ndef c(user_id): ...\n"
        "@pulpo.job(type='d', unique=pulpo.Unique(by='user_id'))\ndef d(user_id): ...\n"
    )

    said = CommandLine(tmp_path, "sqlite:///queue.db")("check", "tasks")

    assert said.code == 1
    assert "tasks a: unique by an argument that is not there: 'user'; did you mean 'user_id'?" in (
        said.out
    )
    assert "tasks b unique: unique must be a pulpo.Unique(...), True or False: 'yes'" in said.out
    assert "tasks c unique: unique has no 'for'; known: by, until, on_conflict" in said.out
    assert "3 faults" in said.out


@pytest.mark.parametrize("app", SHARED, indirect=True)
def test_the_command_line_takes_an_id(app: pulpo.Pulpo, tmp_path: Path) -> None:
    pulpo_ = CommandLine(tmp_path, app.shown_url)

    first = pulpo_("publish", "ship", "--id", "order-17")
    second = pulpo_("publish", "ship", "--id", "order-17")

    assert (first.out, second.out) == ("order-17\n", "order-17\n")
    assert (first.err, second.code) == ("", 0)
    assert second.err.startswith("nothing was added: 'order-17' is there already")
    assert [job.id for job in jobs(app)] == ["order-17"]
