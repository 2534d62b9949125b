"""Values as bytes that are the same where the values mean the same."""

from __future__ import annotations

import subprocess
import sys
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from itertools import combinations
from uuid import UUID

import pytest

from pulpo.canonical import canonical
from pulpo.errors import EncodeError

NOON = datetime(2026, 11, 30, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"a": 1, "b": 2}, {"b": 2, "a": 1}),
        ((1, 2), [1, 2]),
        ({1, 2, 3}, frozenset((3, 2, 1))),
        ({"x": [{"b": {2, 1}, "a": None}]}, {"x": ({"a": None, "b": {1, 2}},)}),
        (NOON, NOON.astimezone(timezone(timedelta(hours=1)))),
        (b"a", bytearray(b"a")),
    ],
)
def test_what_means_the_same_has_the_same_bytes(one: object, other: object) -> None:
    assert canonical(one) == canonical(other)


def test_what_is_different_has_different_bytes() -> None:
    values = [
        *(None, True, False, 0, 1, -1, 10**18, 0.0, 1.0, "", "1", "a", b"", b"1"),
        *([], {}, set(), [1], [1, 1], [[1], 1], [1, [1]], ["a", "b"], ["ab"], {"a": "b"}),
        *({1}, {"a": 1}, {"a": "1"}, {1: "a"}, NOON, NOON.replace(tzinfo=None), NOON.date()),
        *(time(12), timedelta(1), timedelta(microseconds=1), UUID(int=1), Decimal(1)),
        *(date(2026, 11, 30).isoformat(), str(UUID(int=1)), Decimal("1.0"), [None], [[]]),
    ]

    same = [(a, b) for a, b in combinations(values, 2) if canonical(a) == canonical(b)]

    assert [pair for pair in same if repr(pair[0]) != repr(pair[1])] == []


@pytest.mark.parametrize("value", [object(), {"a": object()}, [1j], {Exception}])
def test_what_has_no_place_on_the_wire_has_no_bytes(value: object) -> None:
    with pytest.raises(EncodeError, match=r"type '(object|complex|type)'"):
        canonical(value)


def test_a_value_that_holds_itself_ends() -> None:
    loop: list[object] = []
    loop.append(loop)

    with pytest.raises(EncodeError, match="nested too deep"):
        canonical(loop)


def test_two_processes_agree() -> None:
    code = "from pulpo.canonical import canonical; print(canonical({'a', 'b', 'c', 1, None}))"
    said = {
        subprocess.run(
            [sys.executable, "-c", code],
            env={"PYTHONHASHSEED": seed},
            capture_output=True,
            check=True,
            timeout=60,
        ).stdout
        for seed in "123"
    }

    assert len(said) == 1
