"""Right and wrong uses of the public API; type-checked by a test, never run.

Every line that a type checker must refuse ends with `# E`; it must refuse no other.
"""

from collections.abc import Generator, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import assert_type

import pulpo
from pulpo import testing


@pulpo.job(type="mail.welcome", queue="mail", priority=pulpo.HIGH, retries=8, backoff=[1, "5m"])
def welcome(user_id: int, *, lang: str = "en") -> str:
    return f"{user_id} {lang}"


@pulpo.job
async def fetch(url: str, tries: int = 3) -> bytes:
    return url.encode() * tries


@pulpo.job()
def collect(*numbers: int) -> None: ...


class Mail:
    @pulpo.job(type="mail.send")
    @staticmethod
    def send(user_id: int) -> None: ...


NINE = datetime(2026, 1, 2, 9, tzinfo=UTC)


def the_plain_function() -> None:
    assert_type(welcome(7, lang="de"), str)
    welcome("7")  # E
    welcome(7, "de")  # E
    welcome()  # E


def delay() -> None:
    assert_type(welcome.delay(7), pulpo.JobRef)
    welcome.delay(7, lang="de")
    welcome.delay(user_id=7)
    collect.delay(1, 2, 3)
    fetch.delay("https://example.org", 5)
    welcome.delay("7")  # E
    welcome.delay()  # E
    welcome.delay(7, language="de")  # E
    welcome.delay(7, "de")  # E
    collect.delay("1")  # E
    fetch.delay(b"x")  # E


def static_methods() -> None:
    Mail.send(7)
    Mail.send.delay(7)
    Mail().send.delay(7)
    Mail.send.delay("7")  # E
    Mail().send.delay()  # E


def schedule() -> None:
    assert_type(welcome.schedule_at(NINE, 7), pulpo.JobRef)
    welcome.schedule_in("10m", 7, lang="de")
    welcome.schedule_in(timedelta(minutes=10), 7)
    welcome.schedule_in(600, user_id=7)
    welcome.schedule_at("tomorrow", 7)  # E
    welcome.schedule_at(NINE, "7")  # E
    welcome.schedule_at(when=NINE, user_id=7)  # E
    welcome.schedule_in(NINE, 7)  # E
    welcome.schedule_in("10m")  # E


def using() -> None:
    assert_type(
        welcome.using(priority=0, expires="1h", headers={"tenant": "acme"}).delay(7), pulpo.JobRef
    )
    welcome.using(delay="5m").using(at=NINE, queue="other", ttr=90).delay(7)
    welcome.using(priority=0).delay("7")  # E
    welcome.using(prioritty=0)  # E
    welcome.using(priority="high")  # E
    welcome.using(retries=3, timeout="1m", backoff=[1, "5m"]).delay(7)
    welcome.using(retries="3")  # E


def many() -> None:
    assert_type(welcome.delay_many([(1,), (2,), {"user_id": 3}]), list[pulpo.JobRef])
    assert_type(welcome.message(7), pulpo.Message)
    welcome.delay_many([1, 2])  # E
    welcome.message("7")  # E


async def the_twins() -> None:
    assert_type(await welcome.adelay(7), pulpo.JobRef)
    assert_type(await fetch("https://example.org"), bytes)
    await welcome.aschedule_at(NINE, 7)
    await welcome.aschedule_in("10m", 7, lang="de")
    assert_type(await fetch.adelay_many([("a",), {"url": "b"}]), list[pulpo.JobRef])
    assert_type(await pulpo.apublish(welcome.message(7)), pulpo.JobRef)
    await welcome.adelay("7")  # E
    await welcome.aschedule_at(7)  # E
    await welcome.aschedule_in("10m", "7")  # E


def publish() -> None:
    message = pulpo.Message(
        type="image.resize",
        body={"path": "a.png"},
        headers={"tenant": "acme"},
        priority=10,
        delay="30s",
        expires=timedelta(hours=1),
    )
    assert_type(pulpo.publish(message), pulpo.JobRef)
    assert_type(pulpo.publish_many([message]), list[pulpo.JobRef])
    pulpo.publish(welcome)  # E
    pulpo.publish(type="image.resize")  # E
    pulpo.publish_many(message)  # E
    pulpo.Message(body=1)  # E
    pulpo.Message("image.resize")  # E
    pulpo.Message(type="t", priority="high")  # E
    message.type = "other"  # E


class Resize:
    def handle(self, message: pulpo.Message) -> pulpo.Outcome | None:
        if message.body is None:
            return pulpo.Bury("no picture")
        return None


class AsyncResize:
    async def handle(self, message: pulpo.Message) -> None: ...


class NoHandler:
    def run(self, message: pulpo.Message) -> None: ...


def by_message(message: pulpo.Message) -> pulpo.Outcome:
    return pulpo.Retry(delay="5m", reason=message.type)


def by_number(number: int) -> None: ...


def handlers(app: pulpo.Pulpo) -> None:
    pulpo.register("image.resize", Resize(), queue="images", retries=3)
    pulpo.register("image.resize", Resize)
    pulpo.register("image.resize", AsyncResize(), transient=(OSError,), fatal=ValueError)
    app.register("image.resize", by_message, timeout="1m", aliases=["old"])
    handler: pulpo.Handler = Resize()
    handler.handle(pulpo.Message(type="t"))
    pulpo.register("image.resize", NoHandler())  # E
    pulpo.register("image.resize", by_number)  # E
    pulpo.register("image.resize", Resize(), retry=3)  # E
    pulpo.register("image.resize")  # E


def the_decorator(app: pulpo.Pulpo) -> None:
    def plain(number: int) -> int:
        return number

    made = app.job(plain)
    assert_type(made(1), int)
    assert_type(app.job(retries=3)(plain).delay(1), pulpo.JobRef)
    app.job(plain).delay("1")  # E
    app.job(retry=3)  # E
    app.job(retries="3")  # E
    app.job("mail.welcome")  # E
    pulpo.job(backoff=lambda failures, error: 2.0 * failures)(plain)


def inside_a_handler() -> pulpo.Outcome:
    run = pulpo.current_job()
    assert_type(run.id, str)
    assert_type(run.attempt, int)
    assert_type(run.deadline, datetime)
    print(run.attempts)  # E
    if run.lost:
        raise pulpo.TransientError("the lease is lost", delay="5m")
    return pulpo.Snooze("1h") if run.attempt < 3 else pulpo.Cancel("not wanted")


def the_rest() -> None:
    pulpo.configure(url="memory://")
    pulpo.configure("memory://")  # E
    with pulpo.Pulpo("memory://") as app:
        assert_type(app, pulpo.Pulpo)
    pulpo.Snooze()  # E
    print(pulpo.jobb)  # E
    try:
        welcome.delay(7)
    except pulpo.PublishUncertainError as error:
        assert_type(error.id, str)
    except pulpo.QueueError as error:
        assert_type(error.results, Sequence[object])
    assert_type(pulpo.__version__, str)


@pulpo.job(cron="0 9 * * mon-fri", tz="Europe/Zurich", missed="all", overlap="queue")
def daily() -> None:
    assert_type(pulpo.current_job().tick, datetime | None)


def schedules() -> None:
    pulpo.schedule(welcome, args=(7,), every=timedelta(hours=1), name="seven")
    pulpo.schedule(welcome.using(priority=1), args={"user_id": 7}, cron="0 9 * * *", within="1d")
    pulpo.schedule("image.tidy", every="1h")
    pulpo.schedule(pulpo.Message(type="image.tidy"), every="1h")
    pulpo.schedule(7, every="1h")  # E
    pulpo.schedule(welcome, every="1h", missed="never")  # E
    pulpo.schedule(welcome, evry="1h")  # E
    pulpo.job(every="1h", overlap="maybe")(daily)  # E


@pulpo.around("run")
def timed(run: pulpo.Run) -> Iterator[None]:
    assert_type(run.attempt, int)
    yield


@pulpo.around("publish")
def stamped(message: pulpo.Message) -> Generator[pulpo.Message, pulpo.JobRef, None]:
    ref = yield message.with_headers({"tenant": "acme"})
    assert_type(ref.id, str)


@pulpo.on("buried")
def alert(event: pulpo.Event) -> None:
    assert_type(event.reason, str)


def test_of_jobs(pulpo_queue: testing.TrialQueue, pulpo_clock: testing.TrialClock) -> None:
    assert_type(testing.perform(welcome, 7), pulpo.Outcome)
    assert_type(testing.drain().raise_errors(), testing.Runs)
    assert_type(
        testing.published(welcome, args=(7,), due_in=("1m", 90)), list[testing.PublishedJob]
    )
    assert_type(pulpo_queue.assert_published("mail", args={"a": 1}, times=2).due_in, float)
    pulpo_clock.advance("1h")
    testing.perform(welcome)  # E
    testing.perform(welcome, "seven")  # E
    testing.perform_attempt("2", welcome, 7)  # E
    testing.published(7)  # E
    testing.assert_published(welcome, due_in=None, times="1")  # E
    pulpo_clock.advance(None)  # E


def middleware_and_listeners() -> None:
    pulpo.around("run", timed)
    pulpo.on("lost", alert)
    pulpo.on("lost", lambda event: print(event.id))
    alert("buried")  # E
    timed(7)  # E
    pulpo.around("run", welcome)  # E
    pulpo.on("buried", 7)  # E
    pulpo.around("publish", lambda message: None)  # E


def after_commits(session: object) -> None:
    assert_type(pulpo.on_commit(session, welcome, 7), pulpo.JobRef)
    assert_type(pulpo.on_commit(welcome, 7), pulpo.JobRef)
    pulpo.on_commit("shop", welcome, user_id=7)
    pulpo.on_commit(welcome.message(7))
    pulpo.on_commit(session, pulpo.Message(type="mail"))
    pulpo.on_commit(session, welcome, "seven")  # E
    pulpo.on_commit(session, welcome)  # E
    pulpo.on_commit(session)  # E
    pulpo.on_commit(session, welcome.message(7), 8)  # E
