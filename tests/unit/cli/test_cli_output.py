"""What goes to a terminal: escaped, aligned, and never driven by a payload."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pulpo.cli.output import escape, for_people, json_line


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain ü 漢", "plain ü 漢"),
        ("\x1b[2J", "\\u001b[2J"),
        ("\x9b31m", "\\u009b31m"),
        ("a\u202eb", "a\\u202eb"),
        ("\ud800", "\\ud800"),
        ("\U000e0041", "\\U000e0041"),
        ("\r\n\t", "\\r\\n\\t"),
    ],
)
def test_what_does_not_print_is_shown_as_its_number(text: str, shown: str) -> None:
    assert shown == escape(text)


def test_a_kept_character_stays() -> None:
    assert escape("a\nb\t", keep="\n") == "a\nb\\t"


@given(st.text())
def test_escaped_text_never_holds_anything_that_drives_a_terminal(text: str) -> None:
    assert escape(text).isprintable()


@given(st.recursive(st.text() | st.integers() | st.none(), st.lists, max_leaves=5))
def test_a_line_of_json_is_printable_ascii_and_reads_back(value: object) -> None:
    line = json_line(value)

    assert line.isascii()
    assert line.isprintable()
    assert value == json.loads(line)


def test_numbers_are_aligned_to_the_right_and_text_to_the_left() -> None:
    table = for_people(("queue", "ready"), [("mail", "7"), ("a", "1234")], right=" r")

    assert table.splitlines() == ["queue  ready", "mail       7", "a       1234"]


def test_a_cell_with_a_line_break_stays_one_row() -> None:
    assert len(for_people(("note",), [("a\nb",)]).splitlines()) == 2
