"""Names that the outside sees."""

import os
import time
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pulpo.errors import UsageError, WrongTypeError
from pulpo.identity import (
    HIGH,
    LOW,
    MAX_PRIORITY,
    NORMAL,
    check_id,
    check_priority,
    check_queue,
    check_type,
    derived_id,
    new_id,
    new_ids,
    published_at,
)


def test_an_id_is_a_uuid_of_version_7():
    for _ in range(200):
        found = UUID(new_id())
        assert (found.version, found.variant) == (7, "specified in RFC 4122")


def test_an_id_says_when_it_was_made():
    before = time.time()
    made = published_at(new_id())

    assert before - 0.002 <= made <= time.time()


def test_ids_of_later_milliseconds_sort_later():
    first = new_id()
    time.sleep(0.003)

    assert first < new_id()


def test_ids_of_one_batch_differ():
    ids = new_ids(500)

    assert len(set(ids)) == 500
    assert {UUID(each).version for each in ids} == {7}


def test_an_id_that_follows_from_name_and_moment_is_the_same_for_all_and_like_any_other():
    made = derived_id("report.daily", 1_800_000_000.0)

    # Never another one: a deploy in the middle of a tick would publish it twice.
    assert made == "01a3185c-5000-7422-92d7-6d2a7ce1d5eb"
    assert (UUID(made).version, UUID(made).variant) == (7, "specified in RFC 4122")
    assert published_at(made) == 1_800_000_000.0
    others = {derived_id(name, at) for name in ("a", "b", "a b") for at in (0.0, 0.5, 1.0, 60.0)}
    assert len(others) == 12


def test_a_forked_child_makes_other_ids():
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(writing, new_id()[14:].encode())
        os._exit(0)
    os.waitpid(child, 0)
    theirs = os.read(reading, 64).decode()
    os.close(reading)
    os.close(writing)

    assert theirs != new_id()[14:]


@pytest.mark.parametrize("id", ["7", "", "x" * 36, "018f0c5e-1111-4222-8333-123456789abc"])
def test_a_foreign_id_says_nothing_of_its_time(id):
    assert published_at(id) is None


@given(st.text(max_size=40))
def test_published_at_takes_any_text(text):
    assert published_at(text) is None or published_at(text) >= 0


@pytest.mark.parametrize("name", ["a", "9", "mail", "A_b.c+d/e;f$(g)-h", "x" * 200])
def test_a_queue_name_is_of_beanstalkds_alphabet(name):
    assert check_queue(name) == name


@pytest.mark.parametrize(
    "name",
    ["", "-a", ".a", "_a", "a b", "a\n", "a\r\ndelete 1", "a:b", "é", "x" * 201, "٣", "a\0"],
    ids=repr,
)
def test_another_queue_name_is_refused(name):
    with pytest.raises(UsageError, match="queue must be 1 to 200 of"):
        check_queue(name)


@pytest.mark.parametrize("name", ["a", "mail.welcome", "x" * 200, "größe", "m.f.<locals>.g"])
def test_a_type_is_any_printable_text_without_spaces(name):
    assert check_type(name) == name


@pytest.mark.parametrize(
    "name", ["", " ", "a b", "a\n", "a\x7f", "x" * 201, "a\u200b", "\ud800"], ids=ascii
)
def test_another_type_is_refused(name):
    with pytest.raises(UsageError, match="type must be 1 to 200 printable"):
        check_type(name)


@pytest.mark.parametrize("value", [0, 1, HIGH, NORMAL, LOW, MAX_PRIORITY])
def test_a_priority_is_a_number_of_32_bits(value):
    assert check_priority(value) == value


def test_high_goes_before_normal_and_normal_before_low():
    assert HIGH < NORMAL == 65_536 < LOW


@pytest.mark.parametrize("value", [-1, 2**32])
def test_a_priority_out_of_range_is_refused(value):
    with pytest.raises(UsageError, match=f"0 .most urgent. to 4294967295: {value}"):
        check_priority(value)


@pytest.mark.parametrize("check", [check_queue, check_type, check_id])
@pytest.mark.parametrize("value", [None, 7, b"mail", ["mail"]])
def test_a_name_that_is_no_text_is_a_type_error(check, value):
    with pytest.raises(WrongTypeError, match="must be text"):
        check(value)


@pytest.mark.parametrize("value", [None, 1.0, "5", True])
def test_a_priority_that_is_no_whole_number_is_a_type_error(value):
    with pytest.raises(WrongTypeError, match="priority must be a whole number"):
        check_priority(value)


@pytest.mark.parametrize("id", ["", "a b", "é", "a\n", "x" * 65], ids=repr)
def test_an_id_that_no_engine_could_keep_is_refused(id):
    with pytest.raises(UsageError, match="id must be 1 to 64"):
        check_id(id)
