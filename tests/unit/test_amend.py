"""Jobs as an operator rewrites them."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from pulpo.amend import buried, edited, moved
from pulpo.body_path import BodyPath
from pulpo.codec import Codec
from pulpo.envelope import UNDECODABLE
from pulpo.errors import DecodeError, SignatureError, UsageError
from pulpo.identity import new_id
from pulpo.job import JobState, ListedJob

NOW = 1_000_000.0
PLAIN, KEYS = Codec(), Codec([b"one"])
ID = new_id()
AT = datetime(2026, 1, 2, tzinfo=UTC)


def listed(
    codec: Codec = PLAIN,
    *,
    body: object = None,
    state: JobState = JobState.READY,
    due: float = 0.0,
    raw: bytes | None = None,
    priority: int = 65_536,
    **told: object,
) -> ListedJob:
    headers = {"type": "t", "id": ID, "queue": "mail", **told}
    data = codec.encode(headers, body) if raw is None else raw
    return ListedJob(
        id=ID, number=3, queue="mail", state=state, body=data, priority=priority, due=due, ttr=90.0
    )


def test_a_moved_job_says_where_it_is_and_keeps_all_else() -> None:
    job = listed(body={"at": AT}, priority=7, failures=2, errors=["x"], tenant="acme")

    new = moved(job, "slow", PLAIN, now=NOW)

    envelope = PLAIN.decode(new.body)
    assert (new.id, new.type, new.queue, new.priority, new.ttr) == (ID, "t", "slow", 7, 90.0)
    assert (envelope.queue, envelope.priority, envelope.ttr) == ("slow", 7, 90.0)
    assert (envelope.body, envelope.failures, envelope.errors) == ({"at": AT}, 2, ["x"])
    assert envelope.user_headers() == {"tenant": "acme"}


def test_a_moved_job_keeps_its_delay() -> None:
    new = moved(listed(state=JobState.DELAYED, due=60.0), "slow", PLAIN, now=NOW)

    assert (new.delay, new.at) == (60.0, None)


@pytest.mark.parametrize(
    ("date", "delay", "at"), [(NOW + 60.5, 0.0, NOW + 60.5), (NOW - 9.0, 60.0, None)]
)
def test_a_moved_job_keeps_the_date_that_it_waits_for(
    date: float, delay: float, at: float | None
) -> None:
    job = ListedJob(
        id=ID,
        number=3,
        queue="mail",
        state=JobState.DELAYED,
        body=PLAIN.encode({"type": "t", "id": ID, "queue": "mail", "due": date}, None),
        priority=1,
        due=60.0,
    )

    new = moved(job, "slow", PLAIN, now=NOW)

    assert (new.delay, new.at) == (delay, at)


def test_a_job_of_another_tool_keeps_its_id_when_it_is_moved() -> None:
    foreign = ListedJob(
        id="17",
        number=17,
        queue="mail",
        state=JobState.READY,
        body=b'{"type": "t", "body": 1, "headers": {}}',
        priority=5,
    )

    envelope = PLAIN.decode(moved(foreign, "slow", PLAIN, now=NOW).body)

    assert (envelope.id, envelope.priority, envelope.body) == ("17", 5, 1)


def test_bytes_that_are_no_job_are_moved_as_they_are() -> None:
    new = moved(listed(raw=b"\xc1"), "slow", PLAIN, now=NOW)

    assert (new.body, new.queue) == (b"\xc1", "slow")


def test_a_signed_job_is_signed_anew() -> None:
    new = moved(listed(KEYS), "slow", KEYS, now=NOW)

    assert KEYS.decode(new.body).queue == "slow"


@pytest.mark.parametrize("keys", [PLAIN, Codec([b"other"])])
def test_a_job_that_nobody_here_vouches_for_is_not_rewritten(keys: Codec) -> None:
    job = listed(KEYS)

    with pytest.raises(SignatureError):
        moved(job, "slow", keys, now=NOW)
    with pytest.raises(SignatureError):
        buried(job, "why", keys, max_body=1_000)
    with pytest.raises(SignatureError):
        edited(job, keys, now=NOW, priority=1)


def test_an_unsigned_job_is_not_made_good_by_a_signature() -> None:
    with pytest.raises(SignatureError):
        edited(listed(), KEYS, now=NOW, priority=1)


def test_the_reason_of_a_burial_is_the_last_error() -> None:
    new = buried(listed(errors=["first"], failures=1), "why", PLAIN, max_body=1_000)

    envelope = PLAIN.decode(new.body)
    assert (list(envelope.errors), envelope.failures, envelope.due) == (["first", "why"], 1, None)


def test_a_reason_gives_way_where_there_is_no_room() -> None:
    job = listed(body="x" * 100)
    limit = len(job.body) + 20

    new = buried(job, "why " * 100, PLAIN, max_body=limit)

    assert PLAIN.decode(new.body).body == "x" * 100


def test_bytes_that_are_no_job_are_buried_in_a_wrapper() -> None:
    envelope = PLAIN.decode(buried(listed(raw=b"\xc1"), "why", PLAIN, max_body=1_000).body)

    assert (envelope.type, envelope.body, list(envelope.errors)) == (UNDECODABLE, b"\xc1", ["why"])


def test_an_edit_sets_values_and_nothing_else() -> None:
    values = [(BodyPath.parse("a.b"), 2), (BodyPath.parse("new"), None)]

    new = edited(listed(body={"a": {"b": 1}, "at": AT}, tenant="x"), PLAIN, now=NOW, values=values)

    envelope = PLAIN.decode(new.body)
    assert envelope.body == {"a": {"b": 2}, "at": AT, "new": None}
    assert envelope.user_headers() == {"tenant": "x"}


def test_an_edit_of_the_delay_ends_a_date() -> None:
    job = listed(state=JobState.DELAYED, due=60.0)

    new = edited(job, PLAIN, now=NOW, delay=5.0)

    assert (new.delay, new.at, PLAIN.decode(new.body).due) == (5.0, None, None)


def test_an_edit_of_a_place_that_is_not_there_is_refused() -> None:
    with pytest.raises(UsageError, match=r"no place 'body\.x\.y'"):
        edited(listed(body={"a": 1}), PLAIN, now=NOW, values=[(BodyPath.parse("x.y"), 1)])


def test_bytes_that_are_no_job_can_not_be_edited() -> None:
    with pytest.raises(DecodeError):
        edited(listed(raw=b"\xc1"), PLAIN, now=NOW, priority=1)
