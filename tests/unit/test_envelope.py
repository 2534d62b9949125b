"""A message on its way, with the story that it carries."""

from datetime import UTC, datetime

import pytest

from pulpo.envelope import Envelope, check_control
from pulpo.errors import DecodeError

FULL = Envelope(
    {
        "type": "t",
        "id": "x",
        "queue": "mail",
        "priority": 7,
        "ttr": 30.0,
        "expires": 1_800_000_000.0,
        "failures": 2,
        "errors": ["one", "two"],
        "bounces": 3,
        "bounced": 1_700_000_000.0,
        "tenant": "acme",
    },
    {"a": 1},
)


def test_what_is_left_out_is_the_usual():
    envelope = Envelope({"type": "t"}, None)

    assert (envelope.queue, envelope.priority, envelope.ttr) == ("default", 65_536, 60.0)
    assert (envelope.failures, envelope.bounces, list(envelope.errors)) == (0, 0, [])
    assert envelope.id is envelope.expires is envelope.bounced is None


def test_what_is_said_counts():
    assert (FULL.queue, FULL.priority, FULL.ttr, FULL.expires) == ("mail", 7, 30.0, 1.8e9)
    assert (FULL.failures, FULL.errors, FULL.bounces) == (2, ["one", "two"], 3)


def test_a_handler_sees_only_the_producers_headers():
    assert FULL.user_headers() == {"tenant": "acme"}


def test_a_handler_sees_the_message_as_published():
    message = FULL.message(id="x", queue="mail", priority=7)

    assert (message.type, message.body, message.headers) == ("t", {"a": 1}, {"tenant": "acme"})
    assert (message.id, message.queue, message.priority) == ("x", "mail", 7)
    assert message.expires == datetime.fromtimestamp(1.8e9, UTC)


def test_headers_are_changed_in_a_copy():
    changed = FULL.with_headers(failures=3, expires=None)

    assert (changed.failures, changed.expires) == (3, None)
    assert "expires" not in changed.headers
    assert FULL.failures == 2


def test_full_headers_pass_the_check():
    check_control(FULL.headers)


def test_a_bad_header_is_named():
    with pytest.raises(DecodeError, match="header 'ttr' is not valid: '0'"):
        check_control({"type": "t", "ttr": 0})


@pytest.mark.parametrize(
    "guards",
    [
        "a",
        [["a"]],
        ["ab"],
        [["", "done"]],
        [["a\n", "done"]],
        [["a", "later"]],
        [["a", 0]],
        [["a", -1.0]],
        [[7, "done"]],
        [["a", "done", 1]],
    ],
)
def test_guards_that_are_none_are_nonsense(guards):
    with pytest.raises(DecodeError, match="'guards'"):
        check_control({"type": "t", "guards": guards})


@pytest.mark.parametrize(
    ("header", "value"),
    [("schedule", ""), ("schedule", 7), ("schedule", "a\n"), ("tick", "now"), ("tick", -1)],
)
def test_a_schedule_that_is_none_is_nonsense(header, value):
    with pytest.raises(DecodeError, match=f"'{header}'"):
        check_control({"type": "t", header: value})


def test_a_job_says_which_schedule_it_is_from():
    headers = {"type": "t", "schedule": "daily", "tick": 1.8e9}
    check_control(headers)
    envelope = Envelope(headers, None)

    assert (envelope.schedule, envelope.tick, envelope.user_headers()) == ("daily", 1.8e9, {})


def test_guards_say_how_long_they_are_held():
    guards = [["a", "done"], ["b", "started"], ["c", 86_400.0]]
    check_control({"type": "t", "guards": guards})

    assert Envelope({"type": "t", "guards": guards}, None).guards == guards
