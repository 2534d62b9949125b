"""How long, in seconds, as `timedelta`, or in words."""

import math
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pulpo.duration import as_text, seconds
from pulpo.errors import UsageError, WrongTypeError


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (0, 0.0),
        (90, 90.0),
        (0.25, 0.25),
        (timedelta(minutes=2), 120.0),
        ("90s", 90.0),
        ("5m", 300.0),
        ("2h30m", 9_000.0),
        ("3d", 259_200.0),
        ("1w", 604_800.0),
        ("250ms", 0.25),
        ("1.5h", 5_400.0),
        ("42", 42.0),
        (" 10m ", 600.0),
    ],
)
def test_a_duration_is_seconds(value, expected):
    assert seconds(value) == expected


@pytest.mark.parametrize(
    "value",
    ["", "soon", "5 m", "m5", "5x", "-5s", "1h-5m", "5m!", "٣s", "1e3s", "infs"],
)
def test_text_that_is_no_duration_is_refused(value):
    with pytest.raises(UsageError, match="delay must be like '90s'") as caught:
        seconds(value, "delay")
    assert repr(value) in str(caught.value)


@pytest.mark.parametrize("value", [-1, -0.001, timedelta(seconds=-1), math.nan])
def test_a_negative_duration_is_refused(value):
    with pytest.raises(UsageError, match="delay must be 0 or more"):
        seconds(value, "delay")


def test_an_infinite_duration_is_refused():
    with pytest.raises(UsageError, match="delay must be finite: inf"):
        seconds(math.inf, "delay")


@pytest.mark.parametrize("value", [10**400, "9" * 400 + "d"], ids=["number", "text"])
def test_a_number_beyond_floats_is_refused(value):
    with pytest.raises(UsageError):
        seconds(value, "delay")


@pytest.mark.parametrize("value", [None, True, b"5m", [5], 1j])
def test_another_type_is_refused(value):
    with pytest.raises(WrongTypeError, match="delay must be seconds, a timedelta or text"):
        seconds(value, "delay")


def test_an_upper_bound_is_named():
    with pytest.raises(UsageError, match="grace must be 0 to 1h: '2h'"):
        seconds("2h", "grace", at_most=3600)


@pytest.mark.parametrize(
    ("value", "text"),
    [(0, "0s"), (0.25, "250ms"), (1.5, "1.5s"), (90, "1m30s"), (3_600, "1h"), (93_784, "1d2h")],
)
def test_seconds_are_shown_as_short_text(value, text):
    assert as_text(value) == text


@given(st.integers(0, 10**7))
def test_short_text_is_understood_and_about_right(value):
    assert seconds(as_text(value)) == pytest.approx(value, rel=0.05)
