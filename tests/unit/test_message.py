"""What a producer asks for."""

import dataclasses
from datetime import UTC, datetime, timedelta

import pytest

import pulpo
from pulpo.errors import UsageError, WrongTypeError
from pulpo.message import CONTROL_HEADERS, Message

NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)


def test_a_message_needs_only_a_type():
    message = Message(type="mail.welcome")

    assert (message.body, message.headers) == (None, {})
    assert message.queue is message.priority is message.delay is message.expires is None


def test_each_message_has_an_id_of_its_own():
    assert Message(type="t").id != Message(type="t").id


def test_a_message_is_frozen():
    with pytest.raises(dataclasses.FrozenInstanceError):
        Message(type="t").type = "u"


def test_a_message_takes_every_way_to_say_a_time():
    Message(type="t", delay="30s", expires=timedelta(hours=1))
    Message(type="t", at=NOON, expires=NOON + timedelta(hours=1))
    Message(type="t", delay=0, expires=60)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"type": "a b"}, "type must be"),
        ({"queue": "no:colon"}, "queue must be"),
        ({"priority": -1}, "priority must be"),
        ({"delay": "soon"}, "delay must be like"),
        ({"delay": -1}, "delay must be 0"),
        ({"delay": "50000d"}, "delay must be 0 to 49710d"),
        ({"delay": 1, "at": NOON}, "delay or at, not both"),
        ({"at": datetime(2026, 1, 1)}, "at must say its time zone"),
        ({"expires": datetime(2026, 1, 1)}, "expires must say its time zone"),
        ({"expires": "never"}, "expires must be like"),
        ({"ttr": 4}, "ttr must be 5s to 1d: 4"),
        ({"ttr": "25h"}, "ttr must be 5s to 1d"),
        ({"id": ""}, "id must be"),
    ],
)
def test_a_wrong_value_is_refused_by_name(options, words):
    with pytest.raises(UsageError, match=words):
        Message(**{"type": "t", **options})


@pytest.mark.parametrize(
    "options",
    [
        {"type": 7},
        {"queue": 7},
        {"priority": "high"},
        {"delay": []},
        {"at": "tomorrow"},
        {"at": 1_800_000_000},
        {"expires": []},
        {"ttr": []},
        {"id": 7},
        {"headers": []},
        {"headers": "x"},
        {"headers": {1: "x"}},
    ],
    ids=repr,
)
def test_a_value_of_another_type_is_a_type_error(options):
    with pytest.raises(WrongTypeError):
        Message(**{"type": "t", **options})


@pytest.mark.parametrize("name", sorted(CONTROL_HEADERS))
def test_pulpos_own_headers_are_not_for_producers(name):
    with pytest.raises(UsageError, match=f"header '{name}' is pulpo's own"):
        Message(type="t", headers={name: 1})


def test_a_copy_with_another_body_differs_only_in_body_and_id():
    message = Message(
        type="t",
        body=1,
        headers={"tenant": "acme"},
        queue="mail",
        priority=3,
        at=NOON,
        expires="1h",
        ttr=30,
    )
    copy = message.with_body(2)

    assert copy.id != message.id
    assert dataclasses.replace(copy, body=1, id=message.id) == message


def test_a_message_is_known_by_its_short_name():
    assert pulpo.Message is Message
