"""What a handler says became of its job."""

import pytest

from pulpo.errors import UsageError, WrongTypeError
from pulpo.outcome import Bury, Cancel, Retry, Snooze, Success


def test_outcomes_are_values():
    assert Retry("5m", "busy") == Retry(delay="5m", reason="busy")
    assert Success() == Success(None)
    assert Bury("no such user") != Cancel("no such user")


@pytest.mark.parametrize("make", [lambda: Retry("soon"), lambda: Snooze(-1)])
def test_a_wrong_delay_is_refused_where_it_is_said(make):
    with pytest.raises(UsageError, match="delay must be"):
        make()


def test_a_snooze_needs_a_delay():
    with pytest.raises(TypeError):
        Snooze()
    with pytest.raises(WrongTypeError, match="delay must be"):
        Snooze(None)


@pytest.mark.parametrize("make", [Bury, Cancel, lambda reason: Retry(reason=reason)])
def test_a_reason_is_text(make):
    with pytest.raises(WrongTypeError, match="reason must be text: 404"):
        make(404)
