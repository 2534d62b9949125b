"""What Sentry's real SDK sends, taken from its transport before it leaves the process."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import sentry_sdk
from sentry_sdk.envelope import Envelope
from sentry_sdk.transport import Transport

import pulpo
from pulpo.contrib.sentry import PulpoIntegration, instrument
from pulpo.message import Message
from tests.worker.stage import OddError


class Outbox(Transport):
    """Keeps what would be sent."""

    def __init__(self) -> None:
        super().__init__()
        self.events: list[dict[str, Any]] = []

    def capture_envelope(self, envelope: Envelope) -> None:
        for item in envelope.items:
            found = item.get_event() or item.get_transaction_event()
            if found:
                self.events.append(dict(found))

    @property
    def errors(self) -> list[dict[str, Any]]:
        return [event for event in self.events if event.get("type") != "transaction"]

    def transactions(self, op: str) -> list[dict[str, Any]]:
        return [
            event
            for event in self.events
            if event.get("type") == "transaction" and event["contexts"]["trace"]["op"] == op
        ]


@pytest.fixture
def start() -> Iterator[Callable[..., Outbox]]:
    def begin(*, report: Any = "final", **options: Any) -> Outbox:
        outbox = Outbox()
        sentry_sdk.init(
            dsn="http://key@127.0.0.1:9/1",
            transport=outbox,
            traces_sample_rate=1.0,
            default_integrations=False,
            integrations=[PulpoIntegration(report=report)],
            **options,
        )
        return outbox

    yield begin
    sentry_sdk.init()


@pytest.fixture
def app() -> Iterator[pulpo.Pulpo]:
    with pulpo.Pulpo("memory://") as found:
        instrument(found)
        yield found


def nothing() -> None: ...


def fail() -> None:
    raise LookupError("no such user")


async def fail_async() -> None:
    await asyncio.sleep(0)
    fail()


def test_a_run_continues_the_trace_of_its_publisher(
    start: Callable[..., Outbox], app: pulpo.Pulpo
) -> None:
    outbox = start()
    app.job(type="mail.welcome", queue="mail")(nothing)
    with sentry_sdk.start_transaction(op="http.server", name="request"):
        ref = app.publish(Message(type="mail.welcome", body={}))
    app.run_worker(burst=True)

    (request,) = outbox.transactions("http.server")
    (process,) = outbox.transactions("queue.process")
    (published,) = request["spans"]
    assert (published["op"], published["description"]) == ("queue.publish", "mail.welcome")
    assert published["data"]["messaging.message.id"] == ref.id
    assert published["data"]["messaging.destination.name"] == "mail"
    assert published["data"]["messaging.system"] == "pulpo"
    trace = process["contexts"]["trace"]
    assert (process["transaction"], process["transaction_info"]) == (
        "mail.welcome",
        {"source": "task"},
    )
    assert trace["trace_id"] == request["contexts"]["trace"]["trace_id"]
    assert trace["parent_span_id"] == published["span_id"]
    assert trace["status"] == "ok"
    assert trace["data"]["messaging.message.id"] == ref.id
    assert trace["data"]["messaging.message.retry.count"] == 0
    assert 0 <= trace["data"]["messaging.message.receive.latency"] < 60_000
    assert outbox.errors == []


@pytest.mark.parametrize("handler", [fail, fail_async])
@pytest.mark.parametrize(("report", "reported"), [("final", [2]), ("all", [1, 2])])
def test_an_error_is_reported_when_it_is_final_or_each_time(
    start: Callable[..., Outbox],
    app: pulpo.Pulpo,
    handler: Any,
    report: str,
    reported: list[int],
) -> None:
    outbox = start(report=report)
    app.job(type="t", retries=1, backoff=0, queue="mail")(handler)
    ref = app.publish(Message(type="t", body={"n": 7} if handler is None else {}))
    app.run_worker(burst=True)

    assert [event["contexts"]["pulpo"]["attempt"] for event in outbox.errors] == reported
    event = outbox.errors[-1]
    (error,) = event["exception"]["values"]
    assert (error["type"], error["value"]) == ("LookupError", "no such user")
    assert error["mechanism"] == {"type": "pulpo", "handled": False}
    assert error["stacktrace"]["frames"][-1]["function"] == "fail"
    assert event["transaction"] == "t"
    assert event["tags"] == {"pulpo.type": "t", "pulpo.queue": "mail"}
    assert event["contexts"]["pulpo"]["id"] == ref.id
    assert "body" not in event["contexts"]["pulpo"]
    runs = outbox.transactions("queue.process")
    assert [run["contexts"]["trace"]["status"] for run in runs] == ["internal_error"] * 2
    # The error is found from its trace, and the trace from the error.
    assert event["contexts"]["trace"]["trace_id"] == runs[-1]["contexts"]["trace"]["trace_id"]


def test_a_fatal_error_is_final_at_once(start: Callable[..., Outbox], app: pulpo.Pulpo) -> None:
    outbox = start()
    app.job(type="t", fatal=LookupError)(fail)
    app.publish(Message(type="t", body={}))
    app.run_worker(burst=True)

    assert len(outbox.errors) == 1


def test_arguments_are_sent_only_where_that_is_wanted(
    start: Callable[..., Outbox], app: pulpo.Pulpo
) -> None:
    outbox = start(data_collection={"queues": True})

    @app.job(type="t", retries=0)
    def handler(card: str, password: str) -> None:
        raise LookupError

    handler.delay("4000", "hunter2")
    app.run_worker(burst=True)

    body = outbox.errors[0]["contexts"]["pulpo"]["body"]
    assert body == {"card": "4000", "password": "[hidden]"}


@pytest.mark.parametrize(
    ("outcome", "status", "reported"),
    [
        (pulpo.Bury("no hope"), "internal_error", ["t: no hope"]),
        (pulpo.Retry(delay="1h", reason="later"), "aborted", []),
        (pulpo.Cancel("no need"), "cancelled", []),
        (pulpo.Snooze("1h"), "ok", []),
    ],
    ids=["bury", "retry", "cancel", "snooze"],
)
def test_an_outcome_is_the_status_of_the_run(
    start: Callable[..., Outbox],
    app: pulpo.Pulpo,
    outcome: object,
    status: str,
    reported: list[str],
) -> None:
    outbox = start()

    @app.job(type="t")
    def handler() -> object:
        return outcome

    handler.delay()
    app.run_worker(burst=True)

    (process,) = outbox.transactions("queue.process")
    assert process["contexts"]["trace"]["status"] == status
    assert [event["message"] for event in outbox.errors] == reported


def test_a_coroutine_over_its_time_is_reported_as_that(
    start: Callable[..., Outbox], app: pulpo.Pulpo
) -> None:
    outbox = start()

    @app.job(type="t", timeout=0.1, retries=0)
    async def handler() -> None:
        await asyncio.sleep(30)

    handler.delay()
    app.run_worker(burst=True)

    (event,) = outbox.errors
    assert event["exception"]["values"][-1]["type"] == "JobTimeoutError"


def test_an_error_without_a_text_harms_no_job(
    start: Callable[..., Outbox], app: pulpo.Pulpo
) -> None:
    outbox = start()

    @app.job(type="t", retries=0)
    def handler() -> None:
        raise OddError

    ref = handler.delay()
    app.run_worker(burst=True)

    (job,) = app.engine.admin().peek([ref.id])
    assert job is not None
    assert "OddError" in app.codec.decode(job.body).errors[-1]
    assert len(outbox.errors) == 1


def test_what_one_run_says_of_itself_is_not_said_of_the_next(
    start: Callable[..., Outbox], app: pulpo.Pulpo
) -> None:
    outbox = start(report="all")

    @app.job(type="t", retries=0)
    def handler(n: int) -> None:
        sentry_sdk.set_tag(f"tag{n}", "x")
        raise LookupError(str(n))

    handler.delay_many([(0,), (1,)])
    app.run_worker(burst=True, threads=1)

    tags = [set(event["tags"]) - {"pulpo.type", "pulpo.queue"} for event in outbox.errors]
    assert tags == [{"tag0"}, {"tag1"}]


def test_baggage_of_others_is_kept(start: Callable[..., Outbox], app: pulpo.Pulpo) -> None:
    start()
    seen: list[str] = []

    @app.job(type="t")
    def handler() -> None:
        seen.append(str(pulpo.current_job().headers["baggage"]))

    handler.using(headers={"baggage": "tenant=acme,sentry-release=old"}).delay()
    app.run_worker(burst=True)

    assert seen[0].startswith("tenant=acme,sentry-")
    assert "sentry-release=old" not in seen[0]


def test_nothing_happens_while_sentry_is_not_set_up(app: pulpo.Pulpo) -> None:
    seen: list[object] = []

    @app.job(type="t")
    def handler() -> None:
        seen.append(dict(pulpo.current_job().headers))

    handler.delay()
    app.run_worker(burst=True)

    assert seen == [{}]


def test_a_wrong_wish_is_refused() -> None:
    with pytest.raises(pulpo.UsageError, match="'final' or 'all': 'none'"):
        PulpoIntegration(report="none")  # type: ignore[arg-type]


TASKS = """
import sentry_sdk, pulpo
from sentry_sdk.transport import Transport
from pulpo.contrib.sentry import PulpoIntegration

class ToFile(Transport):
    def capture_envelope(self, envelope):
        for item in envelope.items:
            event = item.get_event()
            if event:
                with open("events.txt", "a") as file:
                    print(event["exception"]["values"][0]["value"], file=file)

sentry_sdk.init(
    dsn="http://key@127.0.0.1:9/1", transport=ToFile(), integrations=[PulpoIntegration()]
)

@pulpo.job(type="t", retries=0)
def t():
    raise LookupError("no such user")

if __name__ == "__main__":
    t.delay()
"""


def test_the_integration_watches_the_default_app_of_a_real_worker(tmp_path: Path) -> None:
    (tmp_path / "tasks.py").write_text(TASKS)
    for command in (
        ["tasks.py"],
        ["-m", "pulpo", "worker", "tasks", "--burst", "--processes", "1"],
    ):
        done = subprocess.run(
            [sys.executable, *command],
            cwd=tmp_path,
            env={"PULPO_URL": "sqlite:///q.db"},
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert done.returncode == 0, done.stderr

    assert (tmp_path / "events.txt").read_text() == "no such user\n"
