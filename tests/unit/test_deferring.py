"""Messages that are kept as bytes, to be published later."""

from dataclasses import fields
from datetime import UTC, datetime, timedelta

import pytest

import pulpo
from pulpo.clock import ManualClock
from pulpo.codec import Codec
from pulpo.deferring import keep, keep_for_long, kept_message, publish_kept
from pulpo.message import Message

# A value for each field: one that is new has to be kept as well.
SAID = {
    "type": "mail",
    "body": {"when": datetime(2026, 11, 30, tzinfo=UTC), "set": {1, 2}, "nothing": None},
    "headers": {"tenant": "acme", "parts": [1, 2]},
    "queue": "post",
    "priority": 3,
    "delay": timedelta(seconds=90),
    "expires": "2h",
    "ttr": 30,
    "retries": 2,
    "timeout": "9s",
    "backoff": [1.0, 2.0],
    "unique": pulpo.Unique(by=("when",), until="started", on_conflict="replace"),
    "id": "0193e3a6-0b1c-7000-8000-000000000001",
}


@pytest.fixture
def app():
    with pulpo.Pulpo("memory://", clock=ManualClock(1_000_000.0)) as made:
        yield made


def test_every_field_of_a_message_is_kept(app):
    message = Message(**SAID)
    assert SAID.keys() | {"at", "own_id"} == {field.name for field in fields(Message)}

    assert kept_message(keep(app.sender, message).data, app.codec) == message
    dated = Message(type="t", at=datetime(2027, 1, 1, tzinfo=UTC))
    assert kept_message(keep(app.sender, dated).data, app.codec) == dated


def test_what_is_kept_is_published_under_its_id(app):
    kept = keep(app.sender, Message(**SAID))

    assert publish_kept(app.sender, [kept]) == [kept.ref]
    (job,) = app.engine.admin().list()
    assert (job.id, job.queue, job.due) == (SAID["id"], "post", 90.0)


def test_what_is_kept_for_long_has_moments_instead_of_durations(app):
    kept = keep_for_long(app.sender, Message(**SAID), most_bytes=65_535)
    found = kept_message(kept.data, app.codec)

    start = datetime.fromtimestamp(1_000_000, UTC)
    assert (found.delay, found.at) == (None, start + timedelta(seconds=90))
    assert found.expires == start + timedelta(hours=2)
    plain = Message(type="t")
    assert kept_message(keep_for_long(app.sender, plain, most_bytes=500).data, app.codec) == plain


def test_a_moment_beyond_the_calendar_is_refused(app):
    with pytest.raises(pulpo.UsageError, match="expires"):
        keep_for_long(app.sender, Message(type="t", expires=1e12), most_bytes=500)


def test_a_job_may_have_as_many_bytes_as_were_said(app):
    with pytest.raises(pulpo.JobTooBigError, match="the outbox takes at most 100"):
        keep_for_long(app.sender, Message(type="t", body="x" * 50), most_bytes=100)


def envelope(**said):
    return Codec().encode({"type": "pulpo.kept", "id": SAID["id"], "said": said}, None)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "not msgpack"),
        (Codec().encode({"type": "mail"}, None), "not a kept message"),
        (Codec().encode({"type": "pulpo.kept", "said": 1}, None), "not a kept message"),
        (Codec().encode({"type": "pulpo.kept", "said": {"type": "t"}}, None), "not a kept message"),
        (envelope(), "not a kept message"),
        (envelope(type="t", priority=-1), "priority"),
        (envelope(type="t", queue=7), "queue"),
        (envelope(type="t", colour="red"), r"newer pulpo, it says \['colour'\]"),
    ],
)
def test_bytes_that_are_no_kept_message_are_refused(data, reason):
    with pytest.raises(pulpo.DecodeError, match=reason):
        kept_message(data, Codec())


def test_a_kept_message_is_no_job(app):
    """A worker that met one would put it aside: no handler has its type."""
    assert app.registry.find("pulpo.kept") is None
