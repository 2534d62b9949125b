"""Middleware around publishing and around running, without a worker."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Callable, Generator, Iterator
from contextvars import ContextVar
from functools import partial
from typing import Any

import pytest

import pulpo
from pulpo.errors import JobTooBigError, UsageError, WrongTypeError
from pulpo.middleware import Chains, Outbound, wrapped, wrapped_async

Step = Generator[Any, Any, Any]
Run = Callable[..., object]


def run_plain(chain: list[Any], call: Callable[[], object]) -> object:
    return wrapped(chain, "the run", call)()


def run_async(chain: list[Any], call: Callable[[], object]) -> object:
    async def handler() -> object:
        await asyncio.sleep(0)
        return call()

    async def main() -> object:
        return await wrapped_async(chain, "the run", handler)()  # type: ignore[misc]

    return asyncio.run(main())


@pytest.fixture(params=[run_plain, run_async], ids=["plain", "async"])
def run(request: pytest.FixtureRequest) -> Run:
    found: Run = request.param
    return found


def noting(told: list[object], name: str) -> Callable[[Any], Step]:
    def middleware(run: object) -> Step:
        told.append(f"{name} in")
        try:
            result = yield
            told.append(f"{name} saw {result!r}")
        except BaseException as error:
            told.append(f"{name} saw {type(error).__name__}")
            raise

    return middleware


def fail() -> object:
    raise ValueError("no")


def test_the_first_one_is_the_outermost(run: Run) -> None:
    told: list[object] = []

    result = run([noting(told, "a"), noting(told, "b")], lambda: told.append("handler") or 7)

    assert told == ["a in", "b in", "handler", "b saw 7", "a saw 7"]
    assert result == 7


def test_each_sees_the_error_of_the_handler(run: Run) -> None:
    told: list[object] = []

    with pytest.raises(ValueError, match="no"):
        run([noting(told, "a"), noting(told, "b")], fail)

    assert told == ["a in", "b in", "b saw ValueError", "a saw ValueError"]


def test_the_error_of_the_handler_is_the_same_and_shows_nobody_whom_it_passed(run: Run) -> None:
    with pytest.raises(ValueError, match="no") as found:
        run([noting([], "a"), noting([], "b")], fail)

    assert "middleware" not in {entry.name for entry in found.traceback}


def test_what_is_returned_takes_the_place_of_the_result(run: Run) -> None:
    def again(run: object) -> Step:
        yield
        return pulpo.Retry(reason="not yet")

    told: list[object] = []

    assert run([noting(told, "a"), again], lambda: None) == pulpo.Retry(reason="not yet")
    assert told[-1] == "a saw Retry(delay=None, reason='not yet')"


def test_what_is_returned_takes_the_place_of_an_error(run: Run) -> None:
    def forgiving(run: object) -> Step:
        try:
            yield
        except ValueError:
            return pulpo.Success()

    assert run([forgiving], fail) == pulpo.Success()


def test_an_error_that_is_only_swallowed_stands(run: Run) -> None:
    """Whoever logs an error and forgets to raise it again must not lose the job."""

    def logging_only(run: object) -> Step:
        try:
            yield
        except ValueError:
            pass

    with pytest.raises(ValueError, match="no"):
        run([logging_only], fail)


def test_an_error_of_a_middleware_is_one_of_the_run(run: Run) -> None:
    def broken_before(run: object) -> Step:
        raise LookupError("before")
        yield

    def broken_after(run: object) -> Step:
        yield
        raise LookupError("after")

    told: list[object] = []

    with pytest.raises(LookupError, match="before"):
        run([noting(told, "a"), broken_before], lambda: told.append("handler"))
    with pytest.raises(LookupError, match="after"):
        run([noting(told, "a"), broken_after], lambda: None)

    assert told == ["a in", "a saw LookupError"] * 2


def test_a_middleware_may_answer_in_the_place_of_the_handler(run: Run) -> None:
    def closed(run: object) -> Step:
        return pulpo.Snooze("1h")
        yield

    told: list[object] = []

    assert run([closed], lambda: told.append("handler")) == pulpo.Snooze("1h")
    assert told == []


def test_a_forgotten_yield_is_an_error_and_no_success(run: Run) -> None:
    def forgotten(run: object) -> Step:
        if run is None:
            yield

    with pytest.raises(WrongTypeError, match=r"forgotten ended before its yield"):
        run([forgotten], lambda: None)


@pytest.mark.parametrize("call", [fail, lambda: None], ids=["error", "result"])
def test_a_second_yield_is_an_error(run: Run, call: Callable[[], object]) -> None:
    def twice(run: object) -> Step:
        try:
            yield
        except ValueError:
            pass
        yield

    with pytest.raises(WrongTypeError, match=r"twice yields more than once"):
        run([twice], call)


def test_a_stop_iteration_of_the_handler_comes_out_as_it_was() -> None:
    stop = StopIteration("mine")

    def stopping() -> object:
        raise stop

    told: list[object] = []
    with pytest.raises(StopIteration) as found:
        run_plain([noting(told, "a")], stopping)

    assert found.value is stop
    assert told == ["a in", "a saw StopIteration"]


def test_what_is_set_before_the_yield_is_known_to_the_handler(run: Run) -> None:
    tenant: ContextVar[str] = ContextVar("tenant")

    def scoped(run: object) -> Step:
        token = tenant.set("acme")
        yield
        tenant.reset(token)

    assert run([scoped], tenant.get) == "acme"
    assert tenant.get("nobody") == "nobody"


def test_a_cancelled_coroutine_is_seen_and_stays_cancelled() -> None:
    told: list[object] = []

    async def main() -> None:
        call = wrapped_async([noting(told, "a")], "the run", lambda: asyncio.sleep(60))
        task = asyncio.ensure_future(call())  # type: ignore[call-overload]
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(main())
    assert told == ["a in", "a saw CancelledError"]


# What can be registered


class Yielding:
    def __call__(self, run: object) -> Iterator[None]:
        yield

    def method(self, run: object) -> Iterator[None]:
        yield


def with_argument(name: str, run: object) -> Iterator[None]:
    yield


@pytest.mark.parametrize(
    "function",
    [Yielding(), Yielding().method, partial(with_argument, "x")],
    ids=["object", "method", "partial"],
)
def test_anything_that_yields_can_be_registered(function: Any) -> None:
    chains = Chains()
    chains.add("run", function)
    chains.add("run", function)

    assert (chains.run, chains.publish) == ([function], [])


async def yields_async(run: object) -> Any:
    yield


@pytest.mark.parametrize("function", [len, 7, lambda run: None, yields_async])
def test_what_does_not_yield_is_refused(function: Any) -> None:
    with pytest.raises(WrongTypeError, match="middleware is a generator function"):
        Chains().add("run", function)


def test_an_unknown_side_is_refused() -> None:
    app = pulpo.Pulpo("memory://")
    with pytest.raises(UsageError, match="'publish' or 'run', not 'both'"):
        app.around("both")


def test_the_decorator_leaves_the_function_as_it_is() -> None:
    app = pulpo.Pulpo("memory://")

    @app.around("run")
    def mine(run: pulpo.Run) -> Iterator[None]:
        yield

    assert next(mine(None)) is None  # type: ignore[arg-type, func-returns-value]


# Around publishing


@pytest.fixture(params=["publish", "apublish"])
def publish(request: pytest.FixtureRequest) -> Callable[..., Any]:
    def send(app: pulpo.Pulpo, *messages: pulpo.Message) -> list[pulpo.JobRef]:
        if request.param == "publish":
            return app.publish_many(messages)
        return asyncio.run(app.apublish_many(messages))

    return send


def headers(app: pulpo.Pulpo) -> list[dict[str, object]]:
    return [app.codec.decode(job.body).user_headers() for job in app.engine.admin().list()]


def test_middleware_adds_headers_to_what_is_published(publish: Callable[..., Any]) -> None:
    app = pulpo.Pulpo("memory://")

    @app.around("publish")
    def outer(message: pulpo.Message) -> Iterator[pulpo.Message]:
        yield message.with_headers({"tenant": "acme", "who": "outer"})

    @app.around("publish")
    def inner(message: pulpo.Message) -> Iterator[pulpo.Message]:
        assert message.headers["who"] == "outer"
        yield message.with_headers({"who": "inner"})

    publish(app, pulpo.Message(type="t", headers={"own": 1}), pulpo.Message(type="t"))

    assert headers(app) == [
        {"own": 1, "tenant": "acme", "who": "inner"},
        {"tenant": "acme", "who": "inner"},
    ]


def test_middleware_hears_what_became_of_each_message(publish: Callable[..., Any]) -> None:
    app = pulpo.Pulpo("memory://")
    told: list[object] = []
    app.around("publish", noting(told, "a"))
    messages = [pulpo.Message(type="t"), pulpo.Message(type="t", queue="q")]

    one, two = publish(app, *messages)

    assert [ref.id for ref in (one, two)] == [message.id for message in messages]
    # As if one stood within the other, or a context variable would be set back in the wrong order.
    assert told == ["a in", "a in", f"a saw {two!r}", f"a saw {one!r}"]


def test_too_many_headers_are_an_error_that_middleware_sees(publish: Callable[..., Any]) -> None:
    app = pulpo.Pulpo("memory://")
    told: list[object] = []
    app.around("publish", noting(told, "a"))

    @app.around("publish")
    def heavy(message: pulpo.Message) -> Iterator[pulpo.Message]:
        yield message.with_headers({"blob": "x" * app.engine.adapter().capabilities.max_body})

    with pytest.raises(JobTooBigError):
        publish(app, pulpo.Message(type="t"))

    assert told == ["a in", "a saw JobTooBigError"]
    assert headers(app) == []


def test_what_fails_before_the_yield_keeps_the_whole_batch_from_the_queue(
    publish: Callable[..., Any],
) -> None:
    app = pulpo.Pulpo("memory://")
    told: list[object] = []
    app.around("publish", noting(told, "a"))

    @app.around("publish")
    def only_with_a_tenant(message: pulpo.Message) -> Iterator[None]:
        if "tenant" not in message.headers:
            raise LookupError("no tenant")
        yield

    good, bad = pulpo.Message(type="t", headers={"tenant": 1}), pulpo.Message(type="t")
    with pytest.raises(LookupError, match="no tenant"):
        publish(app, good, bad)

    assert told == ["a in", "a in", "a saw LookupError", "a saw LookupError"]
    assert headers(app) == []


def test_what_fails_after_the_yield_is_logged_since_the_job_is_in_the_queue(
    publish: Callable[..., Any], caplog: pytest.LogCaptureFixture
) -> None:
    app = pulpo.Pulpo("memory://")

    @app.around("publish")
    def broken(message: pulpo.Message) -> Iterator[None]:
        yield
        raise LookupError("after")

    @app.around("publish")
    def twice(message: pulpo.Message) -> Iterator[None]:
        yield
        yield

    with caplog.at_level(logging.ERROR, "pulpo.middleware"):
        (ref,) = publish(app, pulpo.Message(type="t"))

    assert len(headers(app)) == 1
    assert [ref.id in record.getMessage() for record in caplog.records] == [True, True]
    assert "yields more than once" in str(caplog.records[0].exc_info)


@pytest.mark.parametrize(
    ("wanted", "said"),
    [
        ({"tenant": "acme"}, "must yield nothing or a message"),
        (pulpo.Message(type="other"), "must keep the id"),
    ],
)
def test_only_the_same_message_can_be_published_instead(wanted: object, said: str) -> None:
    app = pulpo.Pulpo("memory://")

    @app.around("publish")
    def wrong(message: pulpo.Message) -> Iterator[object]:
        yield wanted

    with pytest.raises(UsageError, match=said):
        app.publish(pulpo.Message(type="t"))


def test_a_forgotten_yield_publishes_nothing() -> None:
    app = pulpo.Pulpo("memory://")

    @app.around("publish")
    def forgotten(message: pulpo.Message) -> Iterator[None]:
        if message is None:
            yield

    with pytest.raises(UsageError, match="forgotten ended before its yield"):
        app.publish(pulpo.Message(type="t"))
    assert headers(app) == []


def test_of_a_batch_that_is_accepted_in_part_each_message_hears_its_own_fate() -> None:
    told: list[object] = []
    messages = [pulpo.Message(type="t"), pulpo.Message(type="t")]
    error = pulpo.QueueFullError("full")
    reference = pulpo.JobRef("x", "default")
    error.results = (reference, error)

    with (
        pytest.raises(pulpo.QueueFullError),
        Outbound([noting(told, "a")], messages),
    ):
        raise error

    assert told == ["a in", "a in", "a saw QueueFullError", f"a saw {reference!r}"]


def test_a_header_of_pulpos_own_cannot_be_set() -> None:
    with pytest.raises(UsageError, match="'failures' is pulpo's own"):
        pulpo.Message(type="t").with_headers({"failures": 3})


def test_a_message_with_more_headers_is_the_same_message() -> None:
    message = pulpo.Message(type="t", body=[1], headers={"a": 1}, delay="1m", priority=7)

    more = message.with_headers({"sentry-trace": "x"})

    assert more == pulpo.Message(
        type="t",
        body=[1],
        headers={"a": 1, "sentry-trace": "x"},
        delay="1m",
        priority=7,
        id=message.id,
    )
    assert message.headers == {"a": 1}


def test_middleware_is_called_in_the_thread_that_publishes() -> None:
    app = pulpo.Pulpo("memory://")
    threads: list[int] = []

    @app.around("publish")
    def where(message: pulpo.Message) -> Iterator[None]:
        threads.append(threading.get_ident())
        yield
        threads.append(threading.get_ident())

    asyncio.run(app.apublish(pulpo.Message(type="t")))

    assert set(threads) == {threading.get_ident()}
