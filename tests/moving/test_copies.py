"""What a job is put as on the other side: the same bytes, its own time, an id for a foreign one."""

from __future__ import annotations

from typing import Any

import pytest

from pulpo.codec import Codec
from pulpo.envelope import UNDECODABLE
from pulpo.job import Job, JobState, ListedJob
from pulpo.moving.copies import copy_of, copy_of_reserved

NOW = 1_800_000_000.0
HEADERS = {"type": "mail", "id": "a-1", "queue": "out", "priority": 7, "ttr": 30.0}


def listed(body: bytes, **fields: Any) -> ListedJob:
    usual = {"id": "a-1", "number": 4, "queue": "out", "state": JobState.READY, "priority": 7}
    return ListedJob(**{**usual, "body": body, **fields})


def bytes_of(*keys: bytes, **more: object) -> bytes:
    return Codec(keys).encode({**HEADERS, **more}, {"user_id": 7})


def test_a_ready_job_goes_with_its_very_bytes() -> None:
    body = bytes_of(b"key", failures=2, errors=["x"])

    copy = copy_of(listed(body, ttr=30.0), now=NOW)

    assert (copy.body, copy.id, copy.type, copy.queue) == (body, "a-1", "mail", "out")
    assert (copy.priority, copy.ttr, copy.delay, copy.at) == (7, 30.0, 0.0, None)


def test_a_delay_goes_on_with_what_is_left_of_it_and_the_grain_that_was_cut() -> None:
    job = listed(bytes_of(), state=JobState.DELAYED, due=12.0)

    assert copy_of(job, now=NOW, grain=1.0).delay == 13.0
    assert copy_of(job, now=NOW).at is None


def test_a_date_stays_a_date_however_little_of_it_the_old_queue_can_wait() -> None:
    far = bytes_of(due=NOW + 800 * 86_400)

    copy = copy_of(listed(far, state=JobState.DELAYED, due=1_000_000.0), now=NOW)

    assert (copy.at, copy.delay) == (NOW + 800 * 86_400, 0.0)


def test_a_retry_of_a_job_whose_date_is_over_goes_by_its_delay() -> None:
    copy = copy_of(listed(bytes_of(due=NOW - 60), state=JobState.DELAYED, due=90.0), now=NOW)

    assert (copy.at, copy.delay) == (None, 90.0)


def test_when_it_expires_goes_with_it() -> None:
    assert copy_of(listed(bytes_of(expires=NOW + 5)), now=NOW).expires == NOW + 5


def test_a_foreign_job_gets_its_number_as_its_id_and_no_signature() -> None:
    job = Job(number=17, body=b'{"type": "mail", "body": {"user_id": 7}}')

    copy = copy_of_reserved(job, "out")

    assert copy.id == "17"
    found = Codec().decode(copy.body)
    assert (found.id, found.body, found.type) == ("17", {"user_id": 7}, "mail")
    assert not copy.body.startswith(b"\x93\x02")


def test_bytes_that_are_no_job_go_as_they_are() -> None:
    copy = copy_of_reserved(Job(number=17, body=b"\x00\xff", id="17"), "out")

    assert (copy.body, copy.type, copy.id, copy.queue) == (b"\x00\xff", UNDECODABLE, "17", "out")


@pytest.mark.parametrize(("said", "expected"), [(None, 7), (0, 0), (3, 3)])
def test_a_reserved_job_has_the_priority_of_its_headers_where_the_engine_says_none(
    said: int | None, expected: int
) -> None:
    job = Job(number=1, body=bytes_of(), priority=said, ttr=None)

    assert copy_of_reserved(job, "out").priority == expected
    assert copy_of_reserved(job, "out").ttr == 30.0
