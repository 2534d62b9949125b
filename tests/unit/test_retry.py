"""When a failed job runs again, and when it has failed for good."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pulpo.errors import FatalError, TransientError, UsageError, WrongTypeError
from pulpo.retry import LONGEST_BACKOFF, RetryPolicy, default_backoff

ERROR = ValueError("x")


def test_the_usual_backoff_grows_with_the_fourth_power():
    assert [default_backoff(n) for n in (1, 2, 3, 10)] == [16, 31, 96, 10_015]


def test_a_number_doubles():
    policy = RetryPolicy(backoff=3)

    assert [policy.delay(n, ERROR, spread=0) for n in (1, 2, 3)] == [3, 6, 12]


def test_the_last_entry_of_a_list_repeats():
    policy = RetryPolicy(backoff=["1s", 5, "1m"])

    assert [policy.delay(n, ERROR, spread=0) for n in (1, 2, 3, 4, 99)] == [1, 5, 60, 60, 60]


def test_a_function_is_asked_with_the_failures_and_the_error():
    policy = RetryPolicy(backoff=lambda failures, error: 7 * failures if error is ERROR else 0)

    assert policy.delay(3, ERROR, spread=0) == 21


def test_text_is_a_number_of_seconds():
    assert RetryPolicy(backoff="1m").delay(2, ERROR, spread=0) == 120


@given(st.integers(1, 10**6), st.floats(-1, 1), st.sampled_from([None, 0, 10, ["1h", "9d"]]))
def test_any_backoff_is_at_most_a_day_and_never_negative(failures, spread, backoff):
    delay = RetryPolicy(backoff=backoff).delay(failures, ERROR, spread=spread)

    assert 0 <= delay <= LONGEST_BACKOFF


@given(st.floats(-1, 1))
def test_the_spread_is_a_tenth(spread):
    delay = RetryPolicy(backoff=[100]).delay(1, ERROR, spread=spread)

    assert delay == pytest.approx(100, rel=0.1000001)


def test_retries_count_the_runs_after_the_first():
    policy = RetryPolicy(retries=2)

    assert [policy.allows(failures) for failures in (1, 2, 3)] == [True, True, False]
    assert not RetryPolicy(retries=0).allows(1)


@pytest.mark.parametrize(
    ("policy", "error", "transient"),
    [
        (RetryPolicy(), ValueError(), True),
        (RetryPolicy(), KeyboardInterrupt(), False),
        (RetryPolicy(), FatalError(), False),
        (RetryPolicy(fatal=ValueError), ValueError(), False),
        (RetryPolicy(fatal=ValueError), UnicodeError(), False),
        (RetryPolicy(fatal=ValueError, transient=ValueError), ValueError(), False),
        (RetryPolicy(transient=(OSError,)), OSError(), True),
        (RetryPolicy(transient=(OSError,)), ValueError(), False),
        (RetryPolicy(transient=()), ValueError(), False),
        (RetryPolicy(transient=()), TransientError(), True),
        (RetryPolicy(transient=(FatalError,)), FatalError(), False),
    ],
)
def test_fatal_wins_then_transient_else_bury(policy, error, transient):
    assert policy.is_transient(error) is transient


@pytest.mark.parametrize(
    ("options", "kind", "words"),
    [
        ({"retries": -1}, UsageError, "retries must be 0 to 2147483647: -1"),
        ({"retries": "3"}, WrongTypeError, "retries must be a whole number: '3'"),
        ({"retries": True}, WrongTypeError, "retries must be a whole number"),
        ({"backoff": []}, UsageError, "backoff must name at least one"),
        ({"backoff": -1}, UsageError, "backoff must be 0"),
        ({"backoff": [1, "x"]}, UsageError, "backoff must be like"),
        ({"backoff": {}}, WrongTypeError, "backoff must be"),
        ({"transient": "OSError"}, WrongTypeError, "transient must be exception classes"),
        ({"fatal": (OSError(),)}, WrongTypeError, "fatal must be exception classes"),
        ({"fatal": (int,)}, WrongTypeError, "fatal must be exception classes"),
    ],
)
def test_a_wrong_rule_is_refused_by_name(options, kind, words):
    with pytest.raises(kind, match=words):
        RetryPolicy(**options)
