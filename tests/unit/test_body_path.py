"""Places in a body."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pulpo.body_path import BodyPath
from pulpo.errors import UsageError

BODY = {"user_id": 7, "items": [{"sku": "a"}, {"sku": "b"}], "body": {"x": 1}, "1": "one"}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("user_id", 7),
        ("body.user_id", 7),
        ("items[1].sku", "b"),
        ("items.1.sku", "b"),
        ("body.body.x", 1),
        ("body.1", "one"),
        ("body", BODY),
        ("", BODY),
    ],
)
def test_a_path_leads_to_a_value(text: str, value: object) -> None:
    assert BodyPath.parse(text).value(BODY) == value


@pytest.mark.parametrize(
    "text", ["nobody", "items[2]", "items.sku", "user_id.x", "items[0].sku[0]"]
)
def test_a_path_that_leads_nowhere_says_so(text: str) -> None:
    with pytest.raises(LookupError):
        BodyPath.parse(text).value(BODY)


@pytest.mark.parametrize("text", [".a", "a..b", "a[", "a[x]", "a]", "a.", "[-1]"])
def test_what_is_no_path_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="like 'items"):
        BodyPath.parse(text)


def test_a_value_is_replaced_and_nothing_else() -> None:
    changed = BodyPath.parse("items[1].sku").replaced(BODY, "z")

    assert changed == {**BODY, "items": [{"sku": "a"}, {"sku": "z"}]}
    assert BODY["items"] == [{"sku": "a"}, {"sku": "b"}]


def test_a_new_name_may_be_the_last_step_only() -> None:
    assert BodyPath.parse("lang").replaced({"a": 1}, "de") == {"a": 1, "lang": "de"}
    with pytest.raises(LookupError):
        BodyPath.parse("user.lang").replaced({"a": 1}, "de")


@given(st.lists(st.from_regex(r"[a-z_]{1,5}|\d{1,2}", fullmatch=True), min_size=1))
def test_a_path_as_text_is_read_as_the_same_path(steps: list[str]) -> None:
    path = BodyPath(tuple(steps))

    assert BodyPath.parse(str(path)) == path
