"""Sentry: errors of handlers, and a transaction for each run that continues its publisher's trace.

    sentry_sdk.init(dsn="...", integrations=[PulpoIntegration()])

In a module that a worker loads, so that it happens in each of its processes. Needs the extra
`sentry`. Names follow Sentry's conventions for queues.
"""

from __future__ import annotations

import time
from collections.abc import Generator, Mapping
from functools import cache
from typing import Any, Literal

import sentry_sdk
from sentry_sdk.integrations import Integration
from sentry_sdk.scope import Scope, should_send_default_pii
from sentry_sdk.utils import capture_internal_exceptions, event_from_exception

import pulpo
from pulpo import default_app
from pulpo.duration import as_text
from pulpo.identity import published_at
from pulpo.redacting import configured
from pulpo.redaction import Redaction

__all__ = ["PulpoIntegration", "instrument"]

_ORIGIN = "auto.queue.pulpo"
_MECHANISM = {"type": "pulpo", "handled": False}
_STATUS: Mapping[type, str] = {
    pulpo.Retry: "aborted",
    pulpo.Bury: "internal_error",
    pulpo.Cancel: "cancelled",
}
Report = Literal["final", "all"]


class PulpoIntegration(Integration):
    """Watches the app of `pulpo.job` and `pulpo.publish`; other ones by `instrument`.

    It reports an error when the job is buried for it; with `report="all"` each time that a run
    fails. Bodies of jobs are sent along, without what `redact` hides, only where `data_collection`
    says so for `queues`, or, in older SDKs, `send_default_pii`.
    """

    identifier = "pulpo"
    origin = _ORIGIN

    def __init__(self, *, report: Report = "final") -> None:
        if report not in ("final", "all"):
            raise pulpo.UsageError(f"report must be 'final' or 'all': {report!r}")
        self.report = report

    @staticmethod
    def setup_once() -> None:
        """Hang the middleware around the default app; called by `sentry_sdk.init`."""
        instrument(default_app())


def instrument(app: pulpo.Pulpo) -> None:
    """Let the integration watch another app; it does nothing while Sentry is not set up with it."""
    app.around("publish", _publish)
    app.around("run", _run)


def _integration() -> PulpoIntegration | None:
    return sentry_sdk.get_client().get_integration(PulpoIntegration)


def _publish(message: pulpo.Message) -> Generator[pulpo.Message | None, pulpo.JobRef, None]:
    if _integration() is None:
        yield None
        return
    # Not made current: the messages of a batch are siblings, and are under way together.
    span = sentry_sdk.start_span(op="queue.publish", name=message.type, origin=_ORIGIN)
    span.set_data("messaging.system", "pulpo")
    span.set_data("messaging.message.id", message.id)
    baggage = span.to_baggage()
    sent = {
        "sentry-trace": span.to_traceparent() or sentry_sdk.get_traceparent(),
        "baggage": baggage.serialize() if baggage else sentry_sdk.get_baggage(),
    }
    try:
        ref = yield message.with_headers(_merged(message.headers, sent))
        span.set_data("messaging.destination.name", ref.queue)
    except BaseException:
        span.set_status("internal_error")
        raise
    finally:
        span.finish()


def _merged(headers: Mapping[str, object], sent: Mapping[str, str | None]) -> dict[str, str]:
    """Return the headers to add; somebody else's baggage travels in the same header."""
    added = {name: value for name, value in sent.items() if value}
    theirs = headers.get("baggage")
    if isinstance(theirs, str) and "baggage" in added:
        foreign = [item for item in theirs.split(",") if not item.strip().startswith("sentry-")]
        added["baggage"] = ",".join([*filter(str.strip, foreign), added["baggage"]])
    return added


def _run(run: pulpo.Run) -> Generator[None, object, None]:
    integration = _integration()
    if integration is None:
        yield
        return
    with sentry_sdk.isolation_scope() as scope:
        scope.clear_breadcrumbs()
        _describe(scope, run)
        headers = {name: value for name, value in run.headers.items() if isinstance(value, str)}
        transaction = sentry_sdk.continue_trace(
            headers, op="queue.process", name=run.type, source="task", origin=_ORIGIN
        )
        with sentry_sdk.start_transaction(transaction) as current:
            for name, value in _data(run).items():
                current.set_data(name, value)
            try:
                result = yield
            except BaseException as error:
                current.set_status("cancelled" if run.cut else "internal_error")
                with capture_internal_exceptions():
                    _report_error(integration, run, error)
                raise
            current.set_status(_STATUS.get(type(result), "ok"))
            _report_outcome(integration, run, result)


def _describe(scope: Scope, run: pulpo.Run) -> None:
    scope.set_transaction_name(run.type, source="task")
    scope.set_tag("pulpo.type", run.type)
    scope.set_tag("pulpo.queue", run.queue)
    facts: dict[str, Any] = {
        "id": run.id,
        "type": run.type,
        "queue": run.queue,
        "attempt": run.attempt,
    }
    if _may_send_bodies():
        facts["body"] = _hidden().value(run.envelope.body)
    scope.set_context("pulpo", facts)


@cache
def _hidden() -> Redaction:
    # Once a process: it looks for the settings file.
    return configured()


def _may_send_bodies() -> bool:
    options: Mapping[str, Any] = sentry_sdk.get_client().options
    # Newer SDKs have an option for each kind of data, and work it out of the older one.
    kinds = options.get("data_collection")
    if isinstance(kinds, Mapping) and "queues" in kinds:
        return bool(kinds["queues"])
    return should_send_default_pii()


def _data(run: pulpo.Run) -> dict[str, object]:
    found: dict[str, object] = {
        "messaging.system": "pulpo",
        "messaging.message.id": run.id,
        "messaging.destination.name": run.queue,
        "messaging.message.retry.count": run.attempt - 1,
        "messaging.message.body.size": len(run.job.body),
    }
    published = published_at(run.id)
    if published is not None:
        found["messaging.message.receive.latency"] = max(time.time() - published, 0.0) * 1000
    return found


def _report_error(integration: PulpoIntegration, run: pulpo.Run, error: BaseException) -> None:
    if run.over_time and not issubclass(type(error), pulpo.JobTimeoutError):
        # A coroutine is cancelled at the end of its time, which is not what went wrong.
        timeout = pulpo.JobTimeoutError(f"timed out after {as_text(run.job_type.timeout)}")
        timeout.__cause__, error = error, timeout
    if run.cut or not issubclass(type(error), Exception):
        return
    policy = run.job_type.policy
    is_final = not (policy.is_transient(error) and policy.allows(run.envelope.failures + 1))
    if is_final or integration.report == "all":
        event, hint = event_from_exception(
            error, client_options=sentry_sdk.get_client().options, mechanism=_MECHANISM
        )
        sentry_sdk.capture_event(event, hint=hint)


def _report_outcome(integration: PulpoIntegration, run: pulpo.Run, result: object) -> None:
    """Report a failure that the handler returned instead of raising it."""
    # Not asked itself what it is: it may be any object of the user's.
    if not issubclass(type(result), pulpo.Bury | pulpo.Retry):
        return
    is_final = issubclass(type(result), pulpo.Bury) or not run.job_type.policy.allows(
        run.envelope.failures + 1
    )
    if is_final or integration.report == "all":
        reason = getattr(result, "reason", "") or "no reason"
        sentry_sdk.capture_message(f"{run.type}: {reason}", level="error")
