"""A job as an operator sees it, whatever its bytes are."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pulpo.cli.job_text import paragraph, row
from pulpo.codec import Codec
from pulpo.envelope import UNDECODABLE
from pulpo.job import JobState, ListedJob
from pulpo.view import ShownJob, as_json, show

ID = "0198c0de-7a11-7b0b-8123-6c6f73746a6f"


def listed(body: bytes, *, state: JobState = JobState.READY, due: float = 0.0) -> ListedJob:
    return ListedJob(id=ID, number=7, queue="mail", state=state, body=body, priority=10, due=due)


def encoded(headers: dict[str, object] | None = None, body: object = None) -> bytes:
    return Codec().encode({"type": "mail.welcome", "id": ID, **(headers or {})}, body)


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (datetime(2026, 12, 1, 9, tzinfo=UTC), "2026-12-01T09:00:00+00:00"),
        (date(2026, 12, 1), "2026-12-01"),
        (timedelta(minutes=1, milliseconds=500), 60.5),
        (UUID(ID), ID),
        (Decimal("1.10"), "1.10"),
        ({3, 1, 2}, [1, 2, 3]),
        (frozenset({"b", 1, "a"}), [1, "a", "b"]),
        (b"\x00\xff", {"base64": "AP8="}),
        (float("nan"), "nan"),
        (float("-inf"), "-inf"),
        ({1: "a", date(2026, 1, 2): None}, {"1": "a", "2026-01-02": None}),
        ((1, (2,)), [1, [2]]),
    ],
)
def test_every_value_of_the_wire_has_a_form_in_json(value: object, shown: object) -> None:
    assert shown == as_json(value)
    assert shown == json.loads(json.dumps(as_json(value), allow_nan=False))


def test_a_job_shows_its_type_body_headers_and_attempt() -> None:
    job = show(listed(encoded({"failures": 2, "tenant": "acme"}, {"a": 1})), Codec())

    assert (
        job.type,
        job.body,
        job.headers,
        job.attempt,
    ) == ("mail.welcome", {"a": 1}, {"tenant": "acme"}, 3)


def test_the_last_error_is_apart_from_the_earlier_ones() -> None:
    job = show(listed(encoded({"errors": ["first", "Traceback:\nlast"]})), Codec())

    assert (job.error, job.earlier) == ("Traceback:\nlast", ("first",))


def test_bytes_that_are_no_job_are_shown_with_the_reason() -> None:
    job = show(listed(b"\x1b[2Jgarbage"), Codec())

    assert job.type is None
    assert job.body == b"\x1b[2Jgarbage"
    assert job.problem is not None
    assert "\\u001b[2Jgarbage" in paragraph(job)


def test_bytes_that_a_worker_has_put_aside_are_shown_as_they_came() -> None:
    body = Codec().encode({"type": UNDECODABLE, "id": ID, "errors": ["not msgpack"]}, b"\xc1raw")

    job = show(listed(body), Codec())

    assert (job.type, job.body, job.error) == (None, b"\xc1raw", "not msgpack")


def test_a_job_with_a_wrong_signature_is_shown_and_says_so() -> None:
    signed = Codec([b"other"]).encode({"type": "mail.welcome", "id": ID}, {"a": 1})

    job = show(listed(signed), Codec([b"ours"]))

    assert job.body == {"a": 1}
    assert "signature" in str(job.problem)


def test_an_unsigned_job_says_so_where_keys_are_set() -> None:
    assert "not signed" in str(show(listed(encoded()), Codec([b"ours"])).problem)


@pytest.mark.parametrize("keys", [[], [b"ours"]])
def test_a_job_that_was_put_aside_unsigned_is_shown_as_what_it_says(keys: list[bytes]) -> None:
    inner = Codec().encode({"type": "mail.welcome", "id": ID, "tenant": "acme"}, {"a": 1})
    why = "signing keys are set and the job is not signed"
    body = Codec([b"ours"]).encode({"type": UNDECODABLE, "id": ID, "errors": [why]}, inner)

    job = show(listed(body), Codec(keys))

    assert (job.type, job.body, job.headers) == ("mail.welcome", {"a": 1}, {"tenant": "acme"})
    assert (job.error, job.problem) == (why, why if keys else None)


@pytest.mark.parametrize(("bounces", "told"), [(1, "bounced once"), (3, "bounced 3 times")])
def test_a_job_that_no_worker_knows_says_so(bounces: int, told: str) -> None:
    body = encoded({"bounces": bounces, "bounced": 1_800_000_000.0})

    job = show(listed(body, state=JobState.DELAYED, due=2.0), Codec())

    assert row(job)[-1] == f"in 2s, {told}: unknown type or arguments"


def test_a_row_says_when_a_delayed_job_runs_and_why_it_failed() -> None:
    error = "Traceback (most recent call last):\n  File ...\nValueError: no\x1b[2J\nsecond line"
    body = encoded({"errors": [error], "failures": 1})

    cells = row(show(listed(body, state=JobState.DELAYED, due=90.0), Codec()))

    assert cells[-1] == "in 1m30s, ValueError: no\x1b[2J"  # the table escapes it


@given(st.binary(max_size=200))
def test_no_bytes_drive_the_terminal_or_break_the_listing(body: bytes) -> None:
    job = show(listed(body), Codec())

    assert paragraph(job).replace("\n", "").isprintable()
    assert json.dumps(job.as_json(), allow_nan=False)


@given(st.text(), st.text())
def test_no_text_in_a_job_drives_the_terminal(body: str, error: str) -> None:
    job = ShownJob(
        id=ID,
        queue="mail",
        state="buried",
        type="t",
        priority=1,
        attempt=1,
        body=body,
        headers={"note": body},
        error=error,
        earlier=(error,),
    )

    assert paragraph(job).replace("\n", "").isprintable()
