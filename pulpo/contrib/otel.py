"""OpenTelemetry: a span for each publish and each run, linked by headers, and metrics.

    from pulpo.contrib.otel import instrument
    instrument()

In a module that a worker loads, so that each of its processes is instrumented. Needs the extra
`otel`; exporters and sampling are set up as in any program. Names follow the semantic conventions
for messaging, which are still in development: https://opentelemetry.io/docs/specs/semconv/messaging/
"""

from __future__ import annotations

from collections.abc import Generator, Mapping
from functools import lru_cache
from time import perf_counter
from typing import TYPE_CHECKING, Literal
from urllib.parse import urlsplit
from weakref import WeakSet

from opentelemetry import context as contexts
from opentelemetry import metrics, propagate, trace
from opentelemetry.context import Context
from opentelemetry.metrics import MeterProvider
from opentelemetry.trace import Link, Span, SpanKind, Status, StatusCode, TracerProvider

import pulpo
from pulpo import default_app
from pulpo.events import EVENTS

if TYPE_CHECKING:
    from opentelemetry.util.types import AttributeValue

__all__ = ["instrument"]

_NAME = "pulpo.contrib.otel"
_SCHEMA = "https://opentelemetry.io/schemas/1.44.0"
_FAILED = (pulpo.Retry, pulpo.Bury)
Parent = Literal["link", "child"]
_watched: WeakSet[pulpo.Pulpo] = WeakSet()


def instrument(
    app: pulpo.Pulpo | None = None,
    *,
    tracer_provider: TracerProvider | None = None,
    meter_provider: MeterProvider | None = None,
    parent: Parent = "link",
) -> None:
    """Watch the publishes and runs of an app, by default that of `pulpo.job` and `pulpo.publish`.

    Call it before other middleware is registered, so that spans are around that as well; a second
    call for the same app changes nothing. A run's span
    begins a trace of its own that links to the publisher's span, since a job may run days later and
    a thousand times; with `parent="child"` it is part of the publisher's trace. Without providers
    the global ones are used.
    """
    if parent not in ("link", "child"):
        raise pulpo.UsageError(f"parent must be 'link' or 'child': {parent!r}")
    app = app or default_app()
    if app in _watched:
        return
    _watched.add(app)
    watch = _Watch(app, parent, tracer_provider, meter_provider)
    app.around("publish", watch.publish)
    app.around("run", watch.run)
    for name in EVENTS:
        if name != "published":
            app.on(name, watch.count)


class _Watch:
    """The spans and instruments of one app; any thread."""

    def __init__(
        self,
        app: pulpo.Pulpo,
        parent: Parent,
        tracer_provider: TracerProvider | None,
        meter_provider: MeterProvider | None,
    ) -> None:
        self._app = app
        self._is_child = parent == "child"
        version = pulpo.__version__
        self._tracer = trace.get_tracer(_NAME, version, tracer_provider, _SCHEMA)
        meter = metrics.get_meter(_NAME, version, meter_provider, _SCHEMA)
        self._sent = meter.create_counter(
            "messaging.client.sent.messages", "{message}", "Messages given to the queue."
        )
        self._sending = meter.create_histogram(
            "messaging.client.operation.duration", "s", "How long it took to publish a message."
        )
        self._processing = meter.create_histogram(
            "messaging.process.duration", "s", "How long the run of a job took."
        )
        self._jobs = meter.create_counter(
            "pulpo.jobs", "{job}", "Runs of jobs by what became of the job."
        )

    def publish(self, message: pulpo.Message) -> Generator[pulpo.Message, pulpo.JobRef, None]:
        """Send the trace along, in a span around publishing."""
        queue = message.queue or "default"
        attributes = self._attributes("send", message.type, queue)
        # Not made current: the messages of a batch are siblings, and are under way together.
        span = self._tracer.start_span(
            f"send {queue}",
            kind=SpanKind.PRODUCER,
            attributes={**attributes, "messaging.message.id": message.id},
        )
        carrier: dict[str, str] = {}
        propagate.inject(carrier, trace.set_span_in_context(span))
        started = perf_counter()
        try:
            ref = yield message.with_headers(_merged(message.headers, carrier))
            # Where the message names no queue, its type does, and only the app knows it.
            span.update_name(f"send {ref.queue}")
            span.set_attribute("messaging.destination.name", ref.queue)
            attributes["messaging.destination.name"] = ref.queue
        except BaseException as error:
            attributes["error.type"] = _fail(span, error)
            raise
        finally:
            span.end()
            self._sent.add(1, attributes)
            self._sending.record(perf_counter() - started, attributes)

    def run(self, run: pulpo.Run) -> Generator[None, object, None]:
        """Hold the span of a run, current for its handler."""
        attributes = self._attributes("process", run.type, run.queue)
        context, links = self._origin(run)
        span = self._tracer.start_span(
            f"process {run.queue}",
            context,
            SpanKind.CONSUMER,
            attributes={
                **attributes,
                "messaging.message.id": run.id,
                "messaging.message.envelope.size": len(run.job.body),
                "pulpo.attempt": run.attempt,
            },
            links=links,
        )
        started = perf_counter()
        token = contexts.attach(trace.set_span_in_context(span, context))
        try:
            result = yield
            if issubclass(type(result), _FAILED):  # not asked itself: it may be any object
                kind = attributes["error.type"] = type(result).__name__
                span.set_attribute("error.type", kind)
                reason = getattr(result, "reason", "")
                span.set_status(Status(StatusCode.ERROR, str(reason)))
        except BaseException as error:
            attributes["error.type"] = _fail(span, error)
            raise
        finally:
            contexts.detach(token)
            span.end()
            self._processing.record(perf_counter() - started, attributes)

    def count(self, event: pulpo.Event) -> None:
        """Count what became of a job."""
        attributes = self._attributes("process", event.type, event.queue)
        self._jobs.add(1, {**attributes, "pulpo.outcome": event.name})

    def _origin(self, run: pulpo.Run) -> tuple[Context, list[Link]]:
        """Return the context in which a run's span begins, and what it links to."""
        carrier = {name: value for name, value in run.headers.items() if isinstance(value, str)}
        context = propagate.extract(carrier)
        origin = trace.get_current_span(context).get_span_context()
        if not origin.is_valid:
            return context, []
        if self._is_child:
            return context, []
        # Its baggage comes along all the same.
        return trace.set_span_in_context(trace.INVALID_SPAN, context), [Link(origin)]

    def _attributes(self, operation: str, type: str, queue: str) -> dict[str, AttributeValue]:
        return {
            "messaging.system": "pulpo",
            "messaging.operation.name": operation,
            "messaging.operation.type": operation,
            "messaging.destination.name": queue,
            "pulpo.job.type": type,
            **_server(self._app.shown_url),
        }


@lru_cache(maxsize=16)
def _server(url: str) -> Mapping[str, AttributeValue]:
    """Return what is to be said about a queue's server, where it has one."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        return {}
    if not host:
        return {}
    return {"server.address": host, "server.port": port} if port else {"server.address": host}


def _merged(headers: Mapping[str, object], carrier: dict[str, str]) -> dict[str, str]:
    """Return the headers to add; somebody else's baggage travels in the same header."""
    theirs = headers.get("baggage")
    if isinstance(theirs, str) and theirs and "baggage" in carrier:
        carrier["baggage"] = f"{theirs},{carrier['baggage']}"
    return carrier


def _fail(span: Span, error: BaseException) -> str:
    """Let a span say how it failed; return the kind of error."""
    kind = type(error)
    name = (
        kind.__qualname__
        if kind.__module__ == "builtins"
        else f"{kind.__module__}.{kind.__qualname__}"
    )
    span.set_attribute("error.type", name)
    told = kind.__name__
    try:
        span.record_exception(error)
        told = f"{told}: {error}"
    except Exception:  # noqa: BLE001  # the text of an error is the user's code, and may raise
        pass
    span.set_status(Status(StatusCode.ERROR, told))
    return name
