"""Names with a star in them."""

from __future__ import annotations

import pytest

from pulpo.pattern import is_like


@pytest.mark.parametrize(
    ("name", "pattern", "fits"),
    [
        ("mail.welcome", "mail.welcome", True),
        ("mail.welcome", "mail.", False),
        ("mail.welcome", "mail.*", True),
        ("mail.welcome", "*welcome", True),
        ("mail.welcome", "*", True),
        ("", "*", True),
        ("mail.welcome", "m*.*e", True),
        ("mail.welcome", "m*x*e", False),
        ("mail.welcome", "Mail.*", False),
        ("aba", "ab*ba", False),
        ("abba", "ab*ba", True),
        ("a", "a*a", False),
        ("mail?welcome", "mail.*", False),
        ("mail[a]", "mail[a]", True),
    ],
)
def test_a_star_stands_for_any_text_and_nothing_else_means_anything(
    name: str, pattern: str, fits: bool
) -> None:
    assert is_like(name, pattern) is fits


def test_no_pattern_takes_long() -> None:
    assert not is_like("a" * 10_000, "*a" * 5_000 + "b")
