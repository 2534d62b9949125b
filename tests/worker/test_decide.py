"""What becomes of a job: every outcome, every error, and whatever else a handler comes up with."""

from __future__ import annotations

import asyncio
import math
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pulpo import Bury, Cancel, FatalError, Retry, Snooze, Success, TransientError
from pulpo.envelope import Envelope
from pulpo.errors import DecodeError, SignatureError
from pulpo.job import Verb
from pulpo.retry import RetryPolicy
from pulpo.worker.decide import (
    EARLY,
    LONGEST_DELAY,
    MOST_EARLY,
    Ending,
    Raised,
    Verdict,
    bounce,
    decide,
    killed_its_process,
    premature,
    undecodable,
    unsigned,
)
from tests.worker.stage import OddError

DAY = 86_400.0


def verdict(result: object, failures: int = 0, spread: float = 0.0, **policy: Any) -> Verdict:
    return decide(result, RetryPolicy(**policy), failures=failures, spread=spread)


def envelope(**headers: object) -> Envelope:
    return Envelope({"type": "t", **headers}, None)


def killed(code: int, policy: RetryPolicy | None = None, **headers: object) -> Verdict:
    return killed_its_process(envelope(**headers), code, policy or RetryPolicy(), at_least=1.0)


def raising(error: BaseException) -> Any:
    def backoff(failures: int, cause: BaseException) -> float:
        raise error

    return backoff


any_text = st.text() | st.just("\ud800 lone") | st.just("\n\n") | st.just("x" * 10_000)
durations = (
    st.floats(0, 1e300)
    | st.integers(0, 10**300)
    | st.timedeltas(min_value=timedelta(0))
    | st.sampled_from(["5m", "2h30m", "0s", "99999999w"])
)
nonsense = st.none() | st.integers() | st.text() | st.floats() | st.binary() | st.lists(st.text())
errors = st.one_of(
    st.builds(ValueError, any_text),
    st.builds(FatalError, any_text),
    st.builds(TransientError, any_text, delay=durations | st.none()),
    st.builds(TransientError, any_text, delay=nonsense),
    st.builds(lambda a, b: ExceptionGroup(a, [ValueError(b)]), any_text, any_text),
    st.sampled_from([SystemExit(1), KeyboardInterrupt(), asyncio.CancelledError(), OddError()]),
)
results = st.one_of(
    nonsense,
    errors,  # returned, not raised
    st.builds(Raised, errors),
    st.builds(Success, nonsense),
    st.builds(Retry, durations | st.none(), any_text),
    st.builds(Snooze, durations),
    st.builds(Bury, any_text),
    st.builds(Cancel, any_text),
)
backoffs = st.one_of(
    st.none(),
    durations,
    st.lists(durations, min_size=1),
    st.builds(raising, errors),
    st.builds(lambda value: lambda failures, error: value, nonsense | durations),
)
policies = st.builds(
    RetryPolicy,
    retries=st.integers(0, 30),
    backoff=backoffs,
    transient=st.sampled_from([(Exception,), (), (ValueError,), (BaseException,)]),
    fatal=st.sampled_from([(), (ValueError,), (Exception,)]),
)


@given(results, policies, st.integers(0, 40), st.floats(-1, 1), st.sampled_from([0.0, 1.0, 25.0]))
def test_every_result_has_a_verdict_that_a_queue_can_take(
    result: object, policy: RetryPolicy, failures: int, spread: float, at_least: float
) -> None:
    made = decide(result, policy, failures=failures, spread=spread, at_least=at_least)

    assert 0 <= made.delay <= max(LONGEST_DELAY, at_least)
    assert failures <= made.failures <= failures + 1 or made.verb is Verb.DELETE
    assert bool(made.error) == (made.ending in (Ending.RETRIED, Ending.BURIED))
    assert (made.verb is Verb.REPLACE) == (made.ending in (Ending.RETRIED, Ending.SNOOZED))
    assert made.verb is not Verb.REPLACE or made.delay >= at_least
    assert "\n" not in made.reason
    assert len(made.reason) < 300
    told = made.error + made.reason
    assert told.encode().decode() == told


@given(policies, st.integers(0, 40), st.floats(-1, 1))
def test_a_backoff_waits_a_day_at_most(policy: RetryPolicy, failures: int, spread: float) -> None:
    made = decide(Raised(TransientError()), policy, failures=failures, spread=spread)

    assert made.delay <= DAY
    assert made.ending is (Ending.RETRIED if failures < policy.retries else Ending.BURIED) or (
        policy.fatal == (Exception,)
    )


@given(st.integers(1, 19), st.floats(-1, 1))
def test_the_backoff_is_the_fourth_power_and_fifteen_seconds_with_a_tenth_of_jitter(
    n: int, spread: float
) -> None:
    delay = verdict(Raised(ValueError()), n - 1, spread).delay

    assert delay == pytest.approx(min((n**4 + 15) * (1 + spread / 10), DAY))


@pytest.mark.parametrize("value", [None, 0, False, "text", Retry, ValueError("as a value"), [1]])
def test_whatever_a_handler_returns_is_success(value: object) -> None:
    assert verdict(value) == Verdict(Ending.SUCCESS, Verb.DELETE)


def test_success_may_be_said() -> None:
    assert verdict(Success(42)).ending is Ending.SUCCESS


def test_a_retry_spends_an_attempt_and_keeps_its_reason() -> None:
    made = verdict(Retry(30, "not yet"), 2)

    assert (made.ending, made.failures, made.delay) == (Ending.RETRIED, 3, 30)
    assert made.error == "not yet"
    assert made.reason == "again in 30s: not yet"


def test_a_retry_without_a_delay_goes_by_the_backoff() -> None:
    assert verdict(Retry(), backoff=[3, 7], failures=1).delay == 7


def test_a_retry_that_is_one_too_many_is_buried() -> None:
    made = verdict(Retry(30, "not yet"), 2, retries=2)

    assert (made.ending, made.failures) == (Ending.BURIED, 3)
    assert made.reason == "out of retries after 3 failures: not yet"


def test_a_snooze_spends_nothing_even_without_retries() -> None:
    made = verdict(Snooze("5m"), 7, retries=0)

    assert (made.ending, made.failures, made.delay, made.error) == (Ending.SNOOZED, 7, 300, "")


@pytest.mark.parametrize("outcome", [Snooze(1e12), Retry(timedelta.max), Snooze("99999999w")])
def test_a_delay_beyond_what_queues_count_is_the_longest_that_they_do(outcome: object) -> None:
    assert verdict(outcome).delay == 2**32 - 1


def test_a_job_that_is_buried_on_request_says_why() -> None:
    made = verdict(Bury("odd\x1b[1m order\nwith details"), 0)

    assert (made.ending, made.verb, made.failures) == (Ending.BURIED, Verb.BURY, 1)
    assert made.error == "odd\x1b[1m order\nwith details"
    assert made.reason == "odd\x1b[1m order"


def test_a_cancelled_job_is_deleted() -> None:
    made = verdict(Cancel("sold out"))

    assert (made.ending, made.verb, made.reason) == (Ending.CANCELLED, Verb.DELETE, "sold out")


def test_fatal_wins_over_transient() -> None:
    made = verdict(Raised(ValueError("no")), transient=(ValueError,), fatal=(ValueError,))

    assert made.ending is Ending.BURIED


def test_fatal_wins_over_a_transient_error_of_pulpo_too() -> None:
    class Both(TransientError): ...

    assert verdict(Raised(Both()), fatal=(Both,)).ending is Ending.BURIED


def test_a_fatal_error_is_buried_whatever_is_transient() -> None:
    assert verdict(Raised(FatalError("no")), transient=(Exception,)).ending is Ending.BURIED


def test_a_transient_error_is_retried_whatever_is_transient() -> None:
    assert verdict(Raised(TransientError("no")), transient=()).ending is Ending.RETRIED


def test_an_error_that_is_neither_is_buried() -> None:
    assert verdict(Raised(KeyError("k")), transient=(ValueError,)).ending is Ending.BURIED


@pytest.mark.parametrize("error", [SystemExit(3), KeyboardInterrupt(), asyncio.CancelledError()])
def test_what_is_no_exception_is_buried(error: BaseException) -> None:
    assert verdict(Raised(error)).ending is Ending.BURIED


def test_an_errors_own_delay_counts_without_jitter() -> None:
    assert verdict(Raised(TransientError("busy", delay="90s")), spread=1.0).delay == 90


def test_an_errors_delay_that_makes_no_sense_is_told_and_the_backoff_counts() -> None:
    made = verdict(Raised(TransientError("busy", delay="soon")), backoff=3)

    assert made.delay == 3
    assert "delay must be like '90s'" in made.error


def test_a_backoff_that_raises_is_told_and_the_default_counts() -> None:
    made = verdict(Raised(ValueError("first")), backoff=raising(KeyError("oops")))

    assert made.delay == 16
    assert "ValueError: first" in made.error
    assert made.error.endswith("its backoff raised KeyError: 'oops'")


@pytest.mark.parametrize("error", [OddError(), SystemExit(1)])
def test_a_backoff_that_raises_the_oddest_things_stops_nobody(error: BaseException) -> None:
    made = verdict(Raised(ValueError("first")), backoff=raising(error))

    assert (made.ending, made.delay) == (Ending.RETRIED, 16)


@pytest.mark.parametrize("value", ["soon", -1, math.nan, math.inf, None, True, object()])
def test_a_backoff_that_returns_nonsense_is_told_and_the_default_counts(value: object) -> None:
    made = verdict(Raised(ValueError()), backoff=lambda failures, error: value)

    assert made.delay == 16
    assert "its backoff raised" in made.error


def test_a_backoff_is_asked_with_the_failures_and_the_error() -> None:
    asked: list[object] = []
    error = ValueError("x")

    def backoff(failures: int, cause: BaseException) -> float:
        asked.append((failures, cause))
        return 5

    assert verdict(Raised(error), 3, retries=9, backoff=backoff).delay == 5
    assert asked == [(4, error)]


def test_no_delay_is_shorter_than_the_queue_or_the_grace_wants() -> None:
    policy = RetryPolicy(backoff=0)

    for result in (Raised(ValueError()), Retry(0), Snooze(0)):
        assert decide(result, policy, failures=0, spread=-1, at_least=25).delay == 25


def test_a_bounce_spends_no_attempt_and_gives_none_back() -> None:
    made = bounce("who?", envelope(failures=4), now=1000.0, spread=0)

    assert (made.ending, made.verb) == (Ending.BOUNCED, Verb.REPLACE)
    assert (made.failures, made.bounces, made.bounced) == (4, 1, 1000.0)


@given(st.integers(0, 10**6), st.floats(-1, 1))
def test_bounces_come_further_apart_up_to_a_minute(bounces: int, spread: float) -> None:
    made = bounce("who?", envelope(bounces=bounces, bounced=1000.0), now=1001.0, spread=spread)

    assert 0.9 <= made.delay <= 66
    assert made.bounced == 1000.0


def test_a_job_that_nobody_knew_for_a_day_is_buried_with_its_failures() -> None:
    made = bounce("who?", envelope(failures=2, bounced=1000.0), now=1001.0 + DAY, spread=0)

    assert (made.ending, made.failures, made.reason) == (Ending.BURIED, 2, "who?, for a day")
    assert (made.bounces, made.bounced) == (0, None)  # a kick gives it another day


def test_bytes_that_are_no_job_get_five_tries() -> None:
    endings = [undecodable(DecodeError("odd"), failures=n, spread=0).ending for n in range(6)]

    assert endings == [Ending.RETRIED] * 4 + [Ending.BURIED] * 2


def test_a_job_that_nobody_signed_is_buried_at_once() -> None:
    assert unsigned(SignatureError("no"), failures=0).ending is Ending.BURIED


def test_a_job_that_ended_its_process_is_buried_with_the_exit_code() -> None:
    made = killed(3)

    assert made.ending is Ending.BURIED
    assert "exit code 3" in made.reason


def test_a_job_whose_process_crashed_is_buried_with_the_signals_name() -> None:
    assert "SIGSEGV" in killed(-11).reason


def test_sigkill_may_come_from_outside_so_the_first_one_is_forgiven() -> None:
    first = killed(-9)
    second = killed(-9, failures=1, errors=[first.error])

    assert (first.ending, second.ending) == (Ending.RETRIED, Ending.BURIED)


def test_a_forgiven_sigkill_waits_as_its_type_says() -> None:
    assert killed(-9, RetryPolicy(backoff=7)).delay == 7
    assert killed(-9, RetryPolicy(backoff=[30, 60]), failures=1).delay == 60
    assert killed(-9).delay == 16


def test_a_forgiven_sigkill_waits_at_least_as_long_as_its_queue_can_count() -> None:
    assert killed(-9, RetryPolicy(backoff=0)).delay == 1


def test_a_forgiven_sigkill_is_forgiven_once_whatever_its_backoff_raises() -> None:
    policy = RetryPolicy(backoff=raising(SystemExit("odd")))

    first = killed(-9, policy)
    second = killed(-9, policy, failures=1, errors=[first.error])

    assert (first.ending, first.delay) == (Ending.RETRIED, 16)
    assert "its backoff raised SystemExit: odd" in first.reason
    assert second.ending is Ending.BURIED


def test_a_signal_without_a_name_has_a_number() -> None:
    assert "signal 99" in killed(-99).reason


class Forgetful(TransientError):
    """Without the attributes that its parent's `__init__` sets."""

    def __init__(self, code: int) -> None:
        self.code = code


class Liar(TransientError):
    """Whose every attribute raises, and whose texts do."""

    def __init__(self) -> None:
        pass

    def _raise(self, *_: object) -> Any:
        raise KeyboardInterrupt("no")

    __class__ = delay = args = __traceback__ = __cause__ = __notes__ = property(_raise)
    __str__ = __repr__ = _raise


def test_a_transient_error_without_a_delay_has_the_usual_one() -> None:
    made = verdict(Raised(Forgetful(7)))

    assert (made.ending, made.delay) == (Ending.RETRIED, 16)


@pytest.mark.parametrize("delay", ["soon", -1, math.nan, math.inf, True, object(), OddError(), []])
def test_a_transient_error_with_a_nonsensical_delay_has_the_usual_one(delay: Any) -> None:
    error = TransientError("oops")
    error.delay = delay

    made = verdict(Raised(error))

    assert (made.ending, made.delay) == (Ending.RETRIED, 16)
    assert "TransientError: oops" in made.error
    assert "its delay: " in made.error


def test_an_error_that_raises_wherever_it_is_touched_is_retried_by_its_type() -> None:
    made = verdict(Raised(Liar()))

    assert (made.ending, made.delay) == (Ending.RETRIED, 16)
    assert "Liar" in made.error


def test_an_error_that_lies_about_its_class_is_judged_by_its_type() -> None:
    class Pretender(ValueError):
        __class__ = FatalError  # type: ignore[assignment]

    assert verdict(Raised(Pretender())).ending is Ending.RETRIED


class Value:
    """A returned value that raises when it is asked for its class."""

    @property
    def __class__(self) -> Any:
        raise KeyboardInterrupt("no")

    @__class__.setter
    def __class__(self, value: Any) -> None: ...


def test_a_value_that_raises_when_it_is_looked_at_is_a_success() -> None:
    assert verdict(Value()).ending is Ending.SUCCESS


def test_an_outcome_that_raises_when_it_is_read_buries_its_job() -> None:
    class Sly(Snooze):
        def __getattribute__(self, name: str) -> Any:
            if read:
                raise RuntimeError("no")
            return super().__getattribute__(name)

    read: list[bool] = []
    sly = Sly(5)
    read.append(True)

    made = verdict(sly)

    assert made.ending is Ending.BURIED
    assert "RuntimeError" in made.reason


# Before their date


@pytest.mark.parametrize("due", [None, 999.0, 1000.0, 1000.0 + EARLY])
def test_a_job_at_or_nearly_at_its_date_runs(due: float | None) -> None:
    made = envelope() if due is None else envelope(due=due)

    assert premature(made, now=1000.0) is None


def test_a_job_before_its_date_is_put_back_for_the_rest_unspent() -> None:
    made = premature(envelope(due=1060.0, failures=2, bounces=1, bounced=5.0), now=1000.0)

    assert made is not None
    assert (made.ending, made.verb, made.delay) == (Ending.SNOOZED, Verb.REPLACE, 60.0)
    assert (made.failures, made.bounces, made.bounced, made.early) == (2, 1, 5.0, 1)
    assert "1m before its date" in made.reason


def test_a_worker_whose_clock_is_behind_keeps_no_job_for_ever() -> None:
    verdicts = [premature(envelope(due=1060.0, early=n), now=1000.0) for n in range(MOST_EARLY + 2)]

    assert [each is None for each in verdicts] == [False] * MOST_EARLY + [True, True]


def test_a_date_that_no_queue_can_count_to_is_waited_for_as_long_as_it_can() -> None:
    made = premature(envelope(due=253_402_300_799.0), now=0.0)

    assert made is not None
    assert made.delay == LONGEST_DELAY
