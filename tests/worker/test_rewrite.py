"""A verdict as a settlement."""

from __future__ import annotations

from typing import Any

import pytest

from pulpo.codec import MAX_ITEMS, Codec
from pulpo.envelope import Envelope
from pulpo.job import Guard, Job, NewJob, Settlement, Verb
from pulpo.registry import JobType
from pulpo.run import Run
from pulpo.worker.decide import EXPIRED, LOST, RELEASED, SUCCESS, Ending, Verdict
from pulpo.worker.rewrite import countable, settlement

CODEC = Codec()
TYPE = JobType(type="t", bind=lambda run: lambda: None)
RETRY = Verdict(Ending.RETRIED, Verb.REPLACE, 15.0, 1, error="it failed")


def run_with(body: object = None, job: dict[str, Any] | None = None, **headers: object) -> Run:
    envelope = Envelope({"type": "t", **headers}, body)
    data = CODEC.encode(envelope.headers, body)
    return Run(Job(number=7, body=data, **(job or {})), envelope, TYPE)


def rewritten(run: Run, verdict: Verdict, max_body: int = 65_535) -> NewJob:
    told = settlement(run, verdict, CODEC, max_body=max_body)
    assert told.rewritten is not None
    return told.rewritten


@pytest.mark.parametrize("verdict", [SUCCESS, EXPIRED, LOST, RELEASED])
def test_what_is_deleted_or_released_is_not_rewritten(verdict: Verdict) -> None:
    run = run_with()

    assert settlement(run, verdict, CODEC, max_body=65_535) == Settlement(verdict.verb, run.job)


def test_a_retried_job_is_the_same_job_with_its_story() -> None:
    run = run_with({"a": 1}, id="the-id", tenant="acme", errors=["before"], failures=4)

    new = rewritten(run, RETRY)

    assert (new.id, new.type, new.delay) == ("the-id", "t", 15.0)
    found = CODEC.decode(new.body)
    assert found.body == {"a": 1}
    assert found.user_headers() == {"tenant": "acme"}
    assert (found.id, found.failures, found.errors) == ("the-id", 1, ["before", "it failed"])


def test_a_foreign_job_gets_its_id_from_the_engines_number() -> None:
    new = rewritten(run_with(), RETRY)

    assert new.id == "7"
    assert CODEC.decode(new.body).id == "7"


def test_a_retried_job_goes_on_with_the_key_that_it_holds_until_it_is_done() -> None:
    guards = [["id:7", 86_400.0], ["mail:1", "done"]]

    new = rewritten(run_with(guards=guards), RETRY)

    assert new.guards == [Guard("mail:1", "done")]
    assert CODEC.decode(new.body).guards == guards


def test_a_retried_job_has_started_for_good() -> None:
    new = rewritten(run_with(guards=[["mail:1", "started"]]), RETRY)

    assert new.guards == []
    assert CODEC.decode(new.body).guards == ()


def test_what_the_engine_says_counts_before_what_the_headers_say() -> None:
    job = {"queue": "moved", "priority": 3, "ttr": 90.0}
    run = run_with(None, job, queue="mail", priority=9, ttr=30.0)

    new = rewritten(run, RETRY)

    assert (new.queue, new.priority, new.ttr) == ("moved", 3, 90.0)
    found = CODEC.decode(new.body)
    assert (found.queue, found.priority, found.ttr) == ("moved", 3, 90.0)


def test_where_the_engine_is_silent_the_headers_count() -> None:
    new = rewritten(run_with(queue="mail", priority=9, ttr=30.0, expires=5e9), RETRY)

    assert (new.queue, new.priority, new.ttr, new.expires) == ("mail", 9, 30.0, 5e9)


def test_the_usual_is_not_written_down() -> None:
    job = {"queue": "default", "priority": 65_536, "ttr": 60.0}
    snoozed = Verdict(Ending.SNOOZED, Verb.REPLACE, 5.0)

    new = rewritten(run_with(None, job, id="x"), snoozed)

    assert CODEC.decode(new.body).headers == {"type": "t", "id": "x"}


def test_a_snooze_changes_no_story() -> None:
    run = run_with(id="x", failures=2, errors=["first", "second"])

    new = rewritten(run, Verdict(Ending.SNOOZED, Verb.REPLACE, 5.0, 2))

    found = CODEC.decode(new.body)
    assert (found.failures, found.errors) == (2, ["first", "second"])


def test_a_job_whose_code_has_come_forgets_its_bounces() -> None:
    found = CODEC.decode(rewritten(run_with(id="x", bounces=9, bounced=1.0), RETRY).body)

    assert (found.bounces, found.bounced) == (0, None)


def test_a_bounce_is_written_down() -> None:
    bounced = Verdict(Ending.BOUNCED, Verb.REPLACE, 1.0, 2, bounces=3, bounced=1000.0)

    found = CODEC.decode(rewritten(run_with(id="x", failures=2), bounced).body)

    assert (found.failures, found.bounces, found.bounced) == (2, 3, 1000.0)


def test_a_job_keeps_its_date_until_it_has_run_once() -> None:
    dated = run_with(id="x", due=2000.0, early=1)
    put_back = Verdict(Ending.SNOOZED, Verb.REPLACE, 60.0, early=2)
    unknown = Verdict(Ending.BOUNCED, Verb.REPLACE, 1.0, bounces=1, bounced=1000.0)

    told = [CODEC.decode(rewritten(dated, each).body) for each in (put_back, unknown, RETRY)]

    assert [(each.due, each.early) for each in told] == [(2000.0, 2), (2000.0, 1), (None, 0)]


def test_a_rewritten_job_is_signed_again() -> None:
    codec = Codec([b"k" * 32])
    run = run_with(id="x")

    told = settlement(run, RETRY, codec, max_body=65_535)

    assert told.rewritten is not None
    assert codec.decode(told.rewritten.body).failures == 1


def test_a_job_at_the_limit_loses_its_story_and_not_its_body() -> None:
    run = run_with(b"b" * 1_000, id="x")

    found = CODEC.decode(rewritten(run, RETRY, max_body=1_030).body)

    assert (found.body, found.failures, found.errors) == (b"b" * 1_000, 1, ())


def test_a_job_of_as_many_values_as_can_be_goes_on_without_its_story() -> None:
    run = run_with([0] * (MAX_ITEMS - 8), id="x")

    assert rewritten(run, RETRY, max_body=10**6).body == run.job.body


@pytest.mark.parametrize(
    "verdict",
    [RETRY, Verdict(Ending.BOUNCED, Verb.REPLACE, 2.0, bounces=1, bounced=1e9, reason="unknown")],
)
def test_a_job_that_has_no_room_for_its_count_is_buried_rather_than_tried_for_ever(
    verdict: Verdict,
) -> None:
    run = run_with("x" * 1_000)
    limit = len(run.job.body) + 8
    told = settlement(run, verdict, CODEC, max_body=limit)

    instead = countable(run, verdict, told, max_body=limit)

    assert (instead.ending, instead.verb, instead.delay) == (Ending.BURIED, Verb.BURY, 0.0)
    assert "too large to carry the count" in instead.reason
    assert instead.error == verdict.error


def test_a_job_of_so_many_values_that_it_takes_no_count_is_buried_too() -> None:
    run = run_with([0] * (MAX_ITEMS - 5))
    told = settlement(run, RETRY, CODEC, max_body=10**6)

    assert countable(run, RETRY, told, max_body=10**6).ending is Ending.BURIED


def test_a_job_with_room_for_its_count_is_judged_as_it_was() -> None:
    run = run_with("x" * 1_000, failures=1)
    again = Verdict(Ending.SNOOZED, Verb.REPLACE, 9.0, 1)
    for verdict, limit in ((RETRY, 1_100), (again, 1_000)):
        told = settlement(run, verdict, CODEC, max_body=limit)
        assert countable(run, verdict, told, max_body=limit) is verdict
