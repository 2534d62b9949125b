"""Traces and metrics, as the real SDK hands them to an exporter in memory."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from opentelemetry import baggage, context, trace
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode

import pulpo
from pulpo.contrib.otel import instrument
from pulpo.message import Message
from tests.worker.stage import OddError


@dataclass
class Watched:
    """An app that is instrumented, and what the exporters were given."""

    app: pulpo.Pulpo
    exporter: InMemorySpanExporter
    reader: InMemoryMetricReader
    tracer: trace.Tracer

    def spans(self, kind: SpanKind) -> list[ReadableSpan]:
        return [span for span in self.exporter.get_finished_spans() if span.kind is kind]

    def points(self, name: str) -> list[Any]:
        """Return the data points of one metric."""
        data = self.reader.get_metrics_data()
        return [
            point
            for resource in (data.resource_metrics if data else ())
            for scope in resource.scope_metrics
            for metric in scope.metrics
            if metric.name == name
            for point in metric.data.data_points
        ]


@pytest.fixture
def watch() -> Iterator[Callable[..., Watched]]:
    providers: list[TracerProvider | MeterProvider] = []

    def make(url: str = "memory://", **options: Any) -> Watched:
        exporter, reader = InMemorySpanExporter(), InMemoryMetricReader()
        tracers, meters = TracerProvider(), MeterProvider([reader])
        providers.extend((tracers, meters))
        tracers.add_span_processor(SimpleSpanProcessor(exporter))
        app = pulpo.Pulpo(url)
        instrument(app, tracer_provider=tracers, meter_provider=meters, **options)
        return Watched(app, exporter, reader, tracers.get_tracer("test"))

    yield make
    for provider in providers:
        provider.shutdown()


@pytest.fixture(params=["plain", "async"])
def welcome(request: pytest.FixtureRequest) -> Callable[[pulpo.Pulpo], Any]:
    """Declare the same job as a function or as a coroutine."""

    def declare(app: pulpo.Pulpo, act: Callable[[], object] = lambda: None) -> Any:
        def plain() -> object:
            return act()

        async def coroutine() -> object:
            await asyncio.sleep(0)
            return act()

        chosen: Any = plain if request.param == "plain" else coroutine
        return app.job(type="mail.welcome", queue="mail", fatal=LookupError)(chosen)

    return declare


def test_a_run_begins_a_trace_that_links_to_its_publisher(
    watch: Callable[..., Watched], welcome: Callable[..., Any]
) -> None:
    watched = watch()
    inside: list[trace.SpanContext] = []
    job = welcome(watched.app, lambda: inside.append(trace.get_current_span().get_span_context()))
    with watched.tracer.start_as_current_span("request") as request:
        ref = job.delay()
    watched.app.run_worker(burst=True)

    (send,), (process,) = watched.spans(SpanKind.PRODUCER), watched.spans(SpanKind.CONSUMER)
    assert (send.name, process.name) == ("send mail", "process mail")
    assert send.parent == request.get_span_context()
    assert send.context.trace_id == request.get_span_context().trace_id
    assert process.parent is None
    assert process.context.trace_id != send.context.trace_id
    assert [link.context.span_id for link in process.links] == [send.context.span_id]
    assert inside == [process.context]
    shared = {
        "messaging.system": "pulpo",
        "messaging.destination.name": "mail",
        "messaging.message.id": ref.id,
        "pulpo.job.type": "mail.welcome",
    }
    assert dict(send.attributes or {}) == {
        **shared,
        "messaging.operation.name": "send",
        "messaging.operation.type": "send",
    }
    found = dict(process.attributes or {})
    assert found.pop("messaging.message.envelope.size") > 0  # type: ignore[operator]
    assert found == {
        **shared,
        "messaging.operation.name": "process",
        "messaging.operation.type": "process",
        "pulpo.attempt": 1,
    }
    assert process.status.status_code is StatusCode.UNSET


def test_a_run_may_be_part_of_its_publishers_trace(watch: Callable[..., Watched]) -> None:
    watched = watch(parent="child")
    watched.app.job(type="t")(nothing)
    watched.app.publish(Message(type="t", body={}))
    watched.app.run_worker(burst=True)

    (send,), (process,) = watched.spans(SpanKind.PRODUCER), watched.spans(SpanKind.CONSUMER)
    assert process.parent is not None
    assert process.parent.span_id == send.context.span_id
    assert process.context.trace_id == send.context.trace_id


def nothing() -> None: ...


def test_a_job_that_nobody_traced_has_a_trace_without_a_link(
    watch: Callable[..., Watched], tmp_path: Path
) -> None:
    url = f"sqlite:///{tmp_path}/q.db"
    watched = watch(url)
    watched.app.job(type="t")(nothing)
    headers: dict[str, object] = {"traceparent": 7, "tracestate": "nonsense"}
    with pulpo.Pulpo(url) as other:
        other.publish(Message(type="t", body={}, headers=headers))
    watched.app.run_worker(burst=True)

    (process,) = watched.spans(SpanKind.CONSUMER)
    assert (process.parent, list(process.links)) == (None, [])


def test_an_error_is_on_its_span(
    watch: Callable[..., Watched], welcome: Callable[..., Any]
) -> None:
    def fail() -> None:
        raise LookupError("no such user")

    watched = watch()
    welcome(watched.app, fail).delay()
    watched.app.run_worker(burst=True)

    (process,) = watched.spans(SpanKind.CONSUMER)
    assert process.status.status_code is StatusCode.ERROR
    assert process.status.description == "LookupError: no such user"
    assert (process.attributes or {})["error.type"] == "LookupError"
    (event,) = process.events
    assert event.name == "exception"
    assert "no such user" in str((event.attributes or {})["exception.stacktrace"])


def test_an_error_without_a_text_harms_no_job(watch: Callable[..., Watched]) -> None:
    watched = watch()

    @watched.app.job(type="t", retries=0)
    def handler() -> None:
        raise OddError

    ref = handler.delay()
    watched.app.run_worker(burst=True)

    (job,) = watched.app.engine.admin().peek([ref.id])
    assert job is not None
    assert "OddError" in watched.app.codec.decode(job.body).errors[-1]
    (process,) = watched.spans(SpanKind.CONSUMER)
    assert process.status.description == "OddError"


def test_an_outcome_that_is_a_failure_is_one_on_its_span(watch: Callable[..., Watched]) -> None:
    watched = watch()
    watched.app.job(type="t")(bury)
    watched.app.publish(Message(type="t", body={}))
    watched.app.run_worker(burst=True)

    (process,) = watched.spans(SpanKind.CONSUMER)
    assert (process.status.status_code, process.status.description) == (StatusCode.ERROR, "why")
    assert (process.attributes or {})["error.type"] == "Bury"


def bury() -> pulpo.Bury:
    return pulpo.Bury("why")


def test_the_messages_of_a_batch_are_siblings(watch: Callable[..., Watched]) -> None:
    watched = watch()
    with watched.tracer.start_as_current_span("request") as request:
        watched.app.publish_many([Message(type="t", queue=f"q{n}") for n in range(3)])
        after = trace.get_current_span()

    sent = watched.spans(SpanKind.PRODUCER)
    assert sorted(span.name for span in sent) == ["send q0", "send q1", "send q2"]
    assert [span.parent for span in sent] == [request.get_span_context()] * 3
    assert after is request


def test_a_publish_that_fails_is_an_error_on_its_span(watch: Callable[..., Watched]) -> None:
    watched = watch()
    huge = "x" * watched.app.engine.adapter().capabilities.max_body
    with pytest.raises(pulpo.JobTooBigError):
        watched.app.publish(Message(type="t", body=huge))

    (send,) = watched.spans(SpanKind.PRODUCER)
    assert send.status.status_code is StatusCode.ERROR
    assert (send.attributes or {})["error.type"] == "pulpo.errors.JobTooBigError"


def test_baggage_reaches_the_handler_beside_that_of_others(watch: Callable[..., Watched]) -> None:
    seen: list[object] = []
    watched = watch()

    @watched.app.job(type="t")
    def handler() -> None:
        seen.append(dict(baggage.get_all()))

    token = context.attach(baggage.set_baggage("tenant", "acme"))
    handler.using(headers={"baggage": "sentry-release=1"}).delay()
    context.detach(token)
    watched.app.run_worker(burst=True)

    assert seen == [{"tenant": "acme", "sentry-release": "1"}]


def test_metrics_count_by_outcome_and_measure(watch: Callable[..., Watched]) -> None:
    watched = watch()
    app = watched.app
    app.job(type="good", queue="mail")(nothing)
    app.job(type="bad")(bury)
    app.publish_many([Message(type="good", body={}), Message(type="good", body={})])
    app.publish(Message(type="bad", body={}))
    app.run_worker(burst=True)

    def by_type(name: str, *keys: str) -> dict[tuple[object, ...], Any]:
        return {
            tuple(point.attributes[key] for key in ("pulpo.job.type", *keys)): point
            for point in watched.points(name)
        }

    queue = "messaging.destination.name"
    jobs = by_type("pulpo.jobs", queue, "pulpo.outcome")
    assert {key: point.value for key, point in jobs.items()} == {
        ("good", "mail", "success"): 2,
        ("bad", "default", "buried"): 1,
    }
    sent = by_type("messaging.client.sent.messages", queue, "messaging.operation.name")
    assert {key: point.value for key, point in sent.items()} == {
        ("good", "mail", "send"): 2,
        ("bad", "default", "send"): 1,
    }
    spent = by_type("messaging.process.duration")
    assert {key: point.count for key, point in spent.items()} == {("good",): 2, ("bad",): 1}
    assert spent[("bad",)].attributes["error.type"] == "Bury"
    sending = by_type("messaging.client.operation.duration")
    assert {key: point.count for key, point in sending.items()} == {("good",): 2, ("bad",): 1}


def test_a_server_is_named(watch: Callable[..., Watched], beanstalkd: Any) -> None:
    watched = watch(beanstalkd.url)
    watched.app.publish(Message(type="t", queue="otel-server", priority=5))

    (send,) = watched.spans(SpanKind.PRODUCER)
    found = send.attributes or {}
    assert found["server.address"] == "127.0.0.1"
    assert found["server.port"] == beanstalkd.port


def test_instrumenting_twice_is_instrumenting_once(watch: Callable[..., Watched]) -> None:
    watched = watch()
    instrument(watched.app)
    watched.app.publish(Message(type="t"))

    assert len(watched.spans(SpanKind.PRODUCER)) == 1


def test_an_unknown_parent_is_refused() -> None:
    with pytest.raises(pulpo.UsageError, match="'link' or 'child': 'both'"):
        instrument(pulpo.Pulpo("memory://"), parent="both")  # type: ignore[arg-type]


def test_nobody_who_does_not_use_it_imports_it() -> None:
    code = (
        "import sys, pulpo; pulpo.configure(url='memory://')\n"
        "pulpo.register('t', lambda message: None); pulpo.publish(pulpo.Message(type='t'))\n"
        "pulpo.run_worker(burst=True)\n"
        "print([n for n in ('opentelemetry', 'sentry_sdk', 'structlog', 'prometheus_client',"
        " 'pulpo.contrib') if n in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True
    )

    assert done.stdout.strip() == "[]"


TASKS = """
import pulpo
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import ConsoleSpanExporter, BatchSpanProcessor
from pulpo.contrib.otel import instrument

provider = TracerProvider()
provider.add_span_processor(BatchSpanProcessor(ConsoleSpanExporter(
    out=open("spans.txt", "a"),
    formatter=lambda span: f"{span.kind.name} {span.context.trace_id:032x} "
    + " ".join(f"{link.context.trace_id:032x}" for link in span.links) + "\\n"
)))
trace.set_tracer_provider(provider)
instrument()

@pulpo.job(type="t")
def t(): ...

if __name__ == "__main__":
    t.delay()
"""


def test_a_real_worker_exports_before_it_ends(tmp_path: Path) -> None:
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
    lines = [line.split() for line in (tmp_path / "spans.txt").read_text().splitlines()]

    assert [line[0] for line in lines] == ["PRODUCER", "CONSUMER"]
    assert lines[1][2] == lines[0][1]
