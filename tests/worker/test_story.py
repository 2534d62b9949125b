"""The story that a job carries: short enough, readable, and never in the way."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pulpo.codec import Codec
from pulpo.envelope import Envelope
from pulpo.worker.story import (
    LONGEST_ERROR,
    LONGEST_LINE,
    MOST_LINES,
    as_line,
    encode_within,
    extended,
    tell,
)
from tests.worker.stage import OddError

CODEC = Codec()


def raised(error: BaseException, depth: int = 0) -> BaseException:
    def down(left: int, pad: str) -> None:
        if left:
            # Alternating arguments, so that no traceback can fold the frames into one line.
            down_again(left - 1, pad)
        raise error

    def down_again(left: int, pad: str) -> None:
        down(left, pad)

    try:
        down(depth, "")
    except BaseException as caught:
        return caught
    raise AssertionError


def test_an_error_is_told_with_the_line_that_raised_it() -> None:
    told = tell(raised(ValueError("bad order")))

    assert told.startswith("Traceback (most recent call last)")
    assert "raise error" in told
    assert told.endswith("ValueError: bad order")


def test_an_error_that_was_never_raised_is_told_too() -> None:
    assert tell(ValueError("x")) == "ValueError: x"


@pytest.mark.parametrize("depth", [0, 60, 400])
def test_the_line_of_an_error_is_its_own_words_however_deep_it_was(depth: int) -> None:
    told = tell(raised(ValueError("bad order"), depth))

    assert len(told.encode()) <= LONGEST_ERROR
    assert as_line(told) == "ValueError: bad order"


def test_the_line_of_a_long_error_is_its_beginning() -> None:
    told = tell(raised(ValueError("bad order: " + "é" * 50_000)))

    assert len(told.encode()) <= LONGEST_ERROR
    assert "raise error" in told
    assert as_line(told).startswith("ValueError: bad order: é")
    assert len(as_line(told)) == LONGEST_LINE


def test_the_line_of_an_error_of_many_lines_is_the_first_of_them() -> None:
    assert as_line(tell(raised(ValueError("bad\n  indented\nlast")))) == "ValueError: bad"


def test_the_line_of_a_chain_is_its_last_error() -> None:
    error = ValueError("what it led to")
    error.__cause__ = raised(KeyError("the cause"))

    assert as_line(tell(error)) == "ValueError: what it led to"
    assert as_line(tell(raised(error))) == "ValueError: what it led to"
    assert "the cause" in tell(raised(error))


def test_the_line_of_an_error_while_another_was_handled_is_the_later_one() -> None:
    try:
        try:
            raise KeyError("first")
        except KeyError:
            raise ValueError("second")  # noqa: B904
    except ValueError as error:
        told = tell(error)

    assert as_line(told) == "ValueError: second"
    assert "KeyError: 'first'" in told


def test_the_line_of_a_group_is_the_groups() -> None:
    told = tell(raised(ExceptionGroup("several", [ValueError("a"), raised(KeyError("b"))])))

    assert as_line(told) == "ExceptionGroup: several (2 sub-exceptions)"


def test_a_chain_without_end_is_told() -> None:
    one, two = ValueError("one"), ValueError("two")
    one.__cause__, two.__cause__ = two, one

    assert "one" in tell(one)


def test_a_very_long_chain_is_told_in_short() -> None:
    error: BaseException = ValueError("first")
    for n in range(500):
        following = ValueError(f"number {n}")
        following.__cause__ = error
        error = following

    assert as_line(tell(error)) == "ValueError: number 499"


def test_an_error_whose_text_raises_is_told_by_its_name() -> None:
    assert "OddError" in tell(raised(OddError()))
    assert "OddError" in as_line(tell(raised(OddError())))


def test_text_that_utf_8_can_not_hold_is_shown_escaped() -> None:
    told = tell(raised(ValueError("a\ud800b")))

    assert told.encode().endswith(rb"ValueError: a\ud800b")


@given(st.text())
def test_a_line_is_a_line(text: str) -> None:
    assert len(as_line(text).splitlines()) <= 1
    assert len(as_line(text)) <= LONGEST_LINE


def test_each_earlier_failure_is_a_line_and_the_last_is_in_full() -> None:
    story: list[str] = []
    for n in range(3):
        story = extended(story, tell(raised(ValueError(f"failure {n}"))))

    assert story[:2] == ["ValueError: failure 0", "ValueError: failure 1"]
    assert story[2].startswith("Traceback")


def test_a_story_has_an_end() -> None:
    story: list[str] = []
    for n in range(100):
        story = extended(story, f"failure {n}")

    assert len(story) == MOST_LINES
    assert story[-1] == "failure 99"


texts = st.text(max_size=5_000) | st.sampled_from(["x" * 9_000, "𝄞" * 2_000, "\ud800" * 3])


@given(st.lists(texts, max_size=30))
def test_a_story_of_any_errors_can_be_encoded(errors: list[str]) -> None:
    story: list[str] = []
    for error in errors:
        story = extended(story, error)

    body = CODEC.encode({"type": "t", "errors": story}, None)
    assert list(CODEC.decode(body).errors) == story
    assert len(body) <= LONGEST_ERROR + MOST_LINES * (LONGEST_LINE * 4 + 8) + 100


@given(st.lists(texts, max_size=30), st.integers(0, 8_000), st.integers(0, 3_000))
def test_the_story_gives_way_until_the_job_fits(errors: list[str], limit: int, size: int) -> None:
    story: list[str] = []
    for error in errors:
        story = extended(story, error)
    bare = Envelope({"type": "t", "failures": 3}, b"b" * size)
    least = len(CODEC.encode(bare.headers, bare.body))

    body = encode_within(CODEC, bare.with_headers(errors=story or None), limit)

    assert len(body) <= max(limit, least)
    found = CODEC.decode(body)
    assert found.body == bare.body
    assert found.failures == 3


def test_the_last_error_outlives_the_earlier_ones() -> None:
    story = [f"failure {n}" for n in range(20)] + ["Traceback " + "f" * 4_000 + " ValueError: end"]
    whole = Envelope({"type": "t", "errors": story}, None)

    found = CODEC.decode(encode_within(CODEC, whole, 300))

    assert found.errors[-1].endswith("ValueError: end")
