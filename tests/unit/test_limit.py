"""What a limit says, what it refuses, and which jobs share one."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import pytest

import pulpo
from pulpo import Limit, Pulpo
from pulpo.errors import UnknownOptionError, UsageError, WrongTypeError
from pulpo.limit import as_limit


@pytest.mark.parametrize(
    ("rate", "interval"),
    [
        ("100/min", 0.6),
        ("5/s", 0.2),
        ("1000/h", 3.6),
        ("1/day", 86_400.0),
        ("10/30s", 3.0),
        ("7 / 5m", 300 / 7),
        ("2/1h30m", 2_700.0),
    ],
)
def test_a_rate_is_read_as_the_seconds_from_start_to_start(rate: str, interval: float) -> None:
    assert Limit(rate=rate).interval == pytest.approx(interval)


@pytest.mark.parametrize(
    ("said", "error", "words"),
    [
        ({}, UsageError, "a limit needs concurrency, or a rate"),
        ({"concurrency": 0}, UsageError, "concurrency must be 1 to 10000: 0"),
        ({"concurrency": True}, WrongTypeError, "concurrency must be a whole number: True"),
        ({"concurrency": "3"}, WrongTypeError, "concurrency must be a whole number: '3'"),
        ({"rate": "100"}, UsageError, "rate must be like '100/min', '5/s' or '10/30s': '100'"),
        ({"rate": "0/s"}, UsageError, "rate must be like"),
        ({"rate": "5/fortnight"}, UsageError, "rate must be like"),
        ({"rate": "5/0s"}, UsageError, "rate must be between"),
        ({"rate": "1/100000h"}, UsageError, "rate must be between"),
        ({"rate": 5}, WrongTypeError, "rate must be text like '100/min' or '5/s': 5"),
        ({"concurrency": 1, "burst": 2}, UsageError, "burst goes with a rate: 2"),
        ({"rate": "1/s", "burst": 0}, UsageError, "burst must be 1 to 10000: 0"),
        ({"concurrency": 1, "per": ()}, UsageError, "per must name at least one parameter"),
        ({"concurrency": 1, "per": ("a", "a")}, UsageError, "per names a parameter twice"),
        ({"concurrency": 1, "per": "a b"}, UsageError, "per must name at least one parameter"),
        ({"concurrency": 1, "per": 7}, WrongTypeError, "per must be the name of a parameter"),
        ({"concurrency": 1, "name": "a b"}, UsageError, "the name of a limit: type must be 1 to"),
    ],
)
def test_nonsense_is_refused_by_its_name(
    said: dict[str, Any], error: type[Exception], words: str
) -> None:
    with pytest.raises(error, match=words.replace("(", r"\(")):
        Limit(**said)


def test_a_table_of_a_settings_file_is_a_limit() -> None:
    found = as_limit({"concurrency": 3, "per": ["account_id"], "rate": "5/s"})

    assert found == Limit(concurrency=3, per="account_id", rate="5/s")


@pytest.mark.parametrize(
    ("value", "error", "words"),
    [
        (
            {"concurency": 3},
            UnknownOptionError,
            "unknown option 'concurency' of limit; did you mean",
        ),
        (3, WrongTypeError, "limit must be a pulpo.Limit or a table"),
    ],
)
def test_what_is_no_limit_is_refused(value: object, error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        as_limit(value)


def test_the_first_turns_are_at_once_and_the_others_an_interval_apart() -> None:
    limit = Limit(rate="2/s", burst=2)

    waits, left = limit.turns(0.0, 4)

    assert (waits, left) == ([0.0, 0.0, 0.5, 1.0], 2.0)
    assert limit.turns(left, 1) == ([1.5], 2.5)
    assert limit.turns(0.25, 1) == ([0.0], 0.75)


def test_jobs_with_the_same_values_share_a_limit_and_no_others() -> None:
    limit = Limit(concurrency=1, per=("account", "kind"))
    key = limit.key("t", {"account": 7, "kind": "a", "other": 1})

    assert key.shown == "t (account=7, kind=a)"
    assert key == limit.key("t", {"account": 7, "kind": "a", "other": 2})
    others = [
        limit.key("t", {"account": "7", "kind": "a"}),
        limit.key("t", {"account": 7}),
        limit.key("u", {"account": 7, "kind": "a"}),
        Limit(concurrency=1, per="account").key("t", {"account": 7}),
    ]
    assert len({key.text, *(other.text for other in others)}) == 5


def test_what_is_long_or_odd_is_cut_for_people_and_counts_in_full() -> None:
    limit = Limit(concurrency=1, per="who")
    one, other = (limit.key("t", {"who": "x" * 100 + end}) for end in "ab")

    assert one.shown == other.shown
    assert one.text != other.text
    assert limit.key("t", {"who": "a\nb"}).shown == "t (who=a?b)"


def test_an_unknown_parameter_is_refused_where_the_job_is_declared() -> None:
    app = Pulpo("memory://")

    with pytest.raises(
        UsageError, match=r"limit: per names 'acount', no parameter of .*did you mean"
    ):

        @app.job(limit=Limit(concurrency=1, per="acount"))
        def charge(account: int) -> None: ...


def test_any_name_will_do_where_a_function_takes_any() -> None:
    app = Pulpo("memory://")

    @app.job(limit=Limit(concurrency=1, per="acount"))
    def charge(**anything: int) -> None: ...

    named = charge.job_type.named({"acount": 3})

    assert named["acount"] == 3


def test_a_default_counts_as_if_it_had_been_given() -> None:
    app = Pulpo("memory://")

    @app.job
    def charge(account: int, kind: str = "card", /, *rest: int, fee: int = 1) -> None: ...

    @app.job
    def plain(account: int, kind: str = "card") -> None: ...

    assert charge.job_type.named([[7], {}]) == {
        "account": 7,
        "kind": "card",
        "rest": (),
        "fee": 1,
    }
    assert plain.job_type.named({"account": 7}) == {"account": 7, "kind": "card"}


def test_types_that_share_a_limit_say_the_same_of_it() -> None:
    app = Pulpo("memory://")

    @app.job(type="a", limit=Limit(concurrency=3, name="api"))
    def a() -> None: ...

    with pytest.raises(UsageError, match=r"limit 'api' is .*concurrency=3.* for 'a' and .*'b'"):

        @app.job(type="b", limit=Limit(concurrency=4, name="api"))
        def b() -> None: ...


def test_a_limit_by_a_value_travels_from_the_message_of_a_handler() -> None:
    app = Pulpo("memory://")
    app.register("charge", lambda message: None, limit=Limit(concurrency=1, per="account"))
    job_type = app.registry["charge"]

    assert job_type.named({"account": UUID(int=7)}) == {"account": UUID(int=7)}
    assert job_type.named(None) == {}


def test_the_names_are_those_of_the_package() -> None:
    assert pulpo.Limit is Limit
