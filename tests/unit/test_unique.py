"""What makes a job unique, and the key that comes of it."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

import pulpo
from pulpo.errors import EncodeError, UnknownOptionError, UsageError, WrongTypeError
from pulpo.unique import Unique, check_unique


def test_all_values_count_where_none_are_named() -> None:
    unique = Unique()

    assert unique.key("t", {"a": 1, "b": 2}) == unique.key("t", {"b": 2, "a": 1})
    assert unique.key("t", {"a": 1, "b": 2}) != unique.key("t", {"a": 1, "b": 3})
    assert unique.key("t", [1, 2]) != unique.key("t", None)


def test_only_the_named_values_count() -> None:
    unique = Unique(by=("a", "b"))

    assert unique.key("t", {"a": 1, "b": 2, "c": 3}) == unique.key("t", {"b": 2, "a": 1})
    assert unique.key("t", {"a": 1, "b": 2}) != unique.key("t", {"a": 2, "b": 1})
    assert Unique(by=("b", "a")).key("t", {"a": 1, "b": 2}) == unique.key("t", {"a": 1, "b": 2})


def test_one_name_needs_no_list() -> None:
    assert Unique(by="a") == Unique(by=("a",)) == Unique(by=["a"])


def test_no_name_at_all_is_one_job_of_the_type() -> None:
    unique = Unique(by=())

    assert unique.key("t", {"a": 1}) == unique.key("t", {"a": 2}) == unique.key("t", None)
    assert unique.key("t", None) != unique.key("u", None)


def test_the_key_names_the_type() -> None:
    key = Unique(by="a").key("mail.welcome", {"a": 1})

    assert key.startswith("unique:mail.welcome:")
    assert len(key.rpartition(":")[2]) == 32


def test_a_key_is_the_same_in_every_version() -> None:
    # Old and new processes of one deploy have to agree on it.
    key = Unique(by="user_id").key("mail.welcome", {"user_id": 7})

    assert key == "unique:mail.welcome:bf951755b9cb549713a5d0496dbf3eb1"


@pytest.mark.parametrize("body", [{"a": 1}, {}])
def test_a_value_that_is_not_there_is_named(body: object) -> None:
    with pytest.raises(UsageError, match="'t' is unique by 'b', which its body does not have"):
        Unique(by=("b",)).key("t", body)


def test_a_body_that_is_no_map_has_no_names() -> None:
    with pytest.raises(UsageError, match=r"its body must be a map: \[1\]"):
        Unique(by="b").key("t", [1])


def test_a_value_that_cannot_travel_is_refused() -> None:
    with pytest.raises(EncodeError):
        Unique().key("t", {"a": object()})


@pytest.mark.parametrize(
    ("until", "hold"),
    [("done", "done"), ("started", "started"), ("10m", 600.0), (5, 5.0), (timedelta(1), 86_400.0)],
)
def test_a_job_is_unique_until_it_is_done_has_started_or_for_a_time(
    until: Any, hold: object
) -> None:
    assert Unique(until=until).hold == hold


@pytest.mark.parametrize("until", ["finished", "", "0s", 0, -1, float("nan"), "1000000w"])
def test_another_end_is_refused(until: Any) -> None:
    with pytest.raises(UsageError, match="until"):
        Unique(until=until)


@pytest.mark.parametrize("by", [7, (7,), {"a"}, ("a", "a"), b"a"])
def test_names_that_are_none_are_refused(by: Any) -> None:
    with pytest.raises(UsageError, match="by"):
        Unique(by=by)


def test_an_unknown_conflict_is_refused() -> None:
    with pytest.raises(UsageError, match="'skip', 'replace', 'reschedule': 'raise'"):
        Unique(on_conflict="raise")  # type: ignore[arg-type]  # that is the test


def test_a_settings_file_says_it_as_a_table() -> None:
    said = {"by": ["a"], "until": "1h", "on_conflict": "replace"}

    assert check_unique(said) == Unique(by="a", until=3_600.0, on_conflict="replace")
    assert check_unique(True) == Unique()
    assert check_unique(False) is False
    with pytest.raises(UnknownOptionError, match="'fields'; known: by, until, on_conflict"):
        check_unique({"fields": ["a"]})
    with pytest.raises(WrongTypeError, match=r"pulpo\.Unique"):
        check_unique("user_id")


# At a function


def test_an_argument_that_is_not_there_is_refused_where_the_function_is_decorated() -> None:
    app = pulpo.Pulpo("memory://")

    with pytest.raises(UsageError, match="'user'; did you mean 'user_id'"):

        @app.job(unique=pulpo.Unique(by="user"))
        def welcome(user_id: int) -> None: ...


def test_an_argument_that_is_not_there_is_refused_at_the_call() -> None:
    app = pulpo.Pulpo("memory://")

    @app.job
    def welcome(user_id: int) -> None: ...

    with pytest.raises(UsageError, match="'lang'"):
        welcome.using(unique=pulpo.Unique(by=("user_id", "lang")))


def test_a_function_that_takes_any_name_may_be_unique_by_any() -> None:
    app = pulpo.Pulpo("memory://")

    @app.job(type="any", unique=pulpo.Unique(by="tenant"))
    def welcome(user_id: int, **more: object) -> None: ...

    first = welcome.delay(1, tenant="acme")
    assert welcome.delay(2, tenant="acme") == pulpo.JobRef(first.id, "default", existing=True)
    assert not welcome.delay(1, tenant="other").existing
    with pytest.raises(UsageError, match="'any' is unique by 'tenant'"):
        welcome.delay(1)


def test_an_argument_that_is_left_out_counts_as_its_default() -> None:
    app = pulpo.Pulpo("memory://")

    @app.job(unique=True)
    def welcome(user_id: int, /, lang: str = "en", *more: int) -> None: ...

    first = welcome.delay(7)

    assert welcome.delay(7, "en").id == welcome.delay(7, lang="en").id == first.id
    assert not welcome.delay(7, "de").existing
    assert not welcome.delay(7, "en", 1).existing


def test_any_app_publishes_the_messages_of_a_function_by_its_rules() -> None:
    home, other = pulpo.Pulpo("memory://"), pulpo.Pulpo("memory://")

    @home.job(unique=True)
    def welcome(user_id: int, lang: str = "en") -> None: ...

    first = other.publish(welcome.message(7))

    assert other.publish(welcome.message(7, lang="en")) == pulpo.JobRef(
        first.id, "default", existing=True
    )
