"""Which jobs a filter means."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from uuid import UUID

import pytest

from pulpo.errors import UsageError
from pulpo.job import JobState
from pulpo.job_filter import JobFilter, Where
from pulpo.view import ShownJob

NOW = 1_000_000.0
JOB = ShownJob(
    id="x",
    queue="mail",
    state="buried",
    type="mail.welcome",
    priority=1,
    attempt=3,
    body={
        "user_id": 7,
        "lang": "de",
        "ok": True,
        "sum": Decimal("1.10"),
        "key": UUID(int=1),
        "items": [{"sku": "a", "n": 2.0}],
        "none": None,
    },
    headers={},
    error="Traceback (most recent call last):\nTimeoutError: slow",
    earlier=("ValueError: early",),
    accepted=NOW - 600,
)


def test_a_filter_that_asks_for_nothing_fits_every_job() -> None:
    assert JobFilter().matches(JOB, now=NOW)
    assert JobFilter().is_empty


@pytest.mark.parametrize(
    ("fits", "does_not"),
    [
        (JobFilter(queue="mail"), JobFilter(queue="mai")),
        (JobFilter(state=JobState.BURIED), JobFilter(state=JobState.READY)),
        (JobFilter(type="mail.welcome"), JobFilter(type="mail")),
        (JobFilter(type="mail.*"), JobFilter(type="report.*")),
        (JobFilter(error="timeouterror: SLOW"), JobFilter(error="timeout slow")),
        (JobFilter(error="ValueError"), JobFilter(error="KeyError")),
        (JobFilter(older=600), JobFilter(older=601)),
        (JobFilter(newer=600), JobFilter(newer=599)),
        (JobFilter(older=60, newer=3_600), JobFilter(older=3_600, newer=60)),
        (JobFilter(queue="mail", error="slow"), JobFilter(queue="mail", error="fast")),
    ],
    ids=str,
)
def test_a_filter_fits_or_not(fits: JobFilter, does_not: JobFilter) -> None:
    assert fits.matches(JOB, now=NOW)
    assert not does_not.matches(JOB, now=NOW)


@pytest.mark.parametrize(
    "text",
    [
        "body.user_id=7",
        "body.user_id=7.0",
        "body.lang=de",
        'body.lang="de"',
        "body.ok=true",
        "body.none=null",
        'body.sum="1.10"',
        "body.key=00000000-0000-0000-0000-000000000001",
        "body.items[0].sku=a",
        "body.items.0.n=2",
        'body.items=[{"n": 2, "sku": "a"}]',
    ],
)
def test_a_condition_on_the_body_holds(text: str) -> None:
    assert JobFilter(where=(Where.parse(text),)).matches(JOB, now=NOW)


@pytest.mark.parametrize(
    "text",
    [
        "body.user_id=8",
        'body.user_id="7"',
        "body.ok=1",
        "body.ok=True",
        "body.nobody=7",
        "body.items[1].sku=a",
        "body.user_id.x=7",
        "body=7",
    ],
)
def test_a_condition_on_the_body_does_not_hold(text: str) -> None:
    assert not JobFilter(where=(Where.parse(text),)).matches(JOB, now=NOW)


def test_all_conditions_must_hold() -> None:
    both = (Where.parse("body.user_id=7"), Where.parse("body.lang=en"))

    assert not JobFilter(where=both).matches(JOB, now=NOW)


@pytest.mark.parametrize("text", ["body.user_id", "=7", "user_id=7", "headers.a=1", "body.a..b=1"])
def test_what_is_no_condition_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match=r"must be like|is about the body"):
        Where.parse(text)


def test_the_age_is_what_the_engine_knows_where_the_id_says_nothing() -> None:
    known = replace(JOB, accepted=None, age=30.0)
    unknown = replace(JOB, accepted=None)

    assert JobFilter(older=30).matches(known, now=NOW)
    assert not JobFilter(older=31).matches(known, now=NOW)
    assert not JobFilter(older=0).matches(unknown, now=NOW)
    assert not JobFilter(newer=9_999).matches(unknown, now=NOW)


def test_an_empty_text_is_in_every_error_and_in_no_job_without_one() -> None:
    healthy = replace(JOB, error=None, earlier=())

    assert JobFilter(error="").matches(JOB, now=NOW)
    assert not JobFilter(error="").matches(healthy, now=NOW)


def test_a_filter_knows_whether_the_engine_alone_can_answer_it() -> None:
    assert not JobFilter(queue="a", state=JobState.READY).looks_inside
    assert JobFilter(queue="a", error="x").looks_inside
    assert JobFilter(older=1).looks_inside


def test_what_keeps_a_job_from_being_run_counts_as_its_error() -> None:
    stopped = replace(JOB, error=None, earlier=(), problem="bounced once: unknown type")

    assert JobFilter(error="Unknown Type").matches(stopped, now=NOW)
    assert not JobFilter(error="arguments").matches(stopped, now=NOW)
