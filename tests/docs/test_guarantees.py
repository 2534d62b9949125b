"""The page of guarantees names tests and rows: each must exist, and no row may be left out."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.chaos.row import all_rows

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs/explanation/guarantees.md").read_text()
NAMED = sorted(set(re.findall(r"`(test_\w+)`", PAGE)))
ROWS = sorted(set(re.findall(r"`([A-Z]\d)`", PAGE)))


def _tests() -> set[str]:
    files = [*ROOT.glob("tests/**/test_*.py"), *ROOT.glob("pulpo/contract/*.py")]
    return {name for file in files for name in re.findall(r"def (test_\w+)", file.read_text())}


def test_the_page_names_some_tests() -> None:
    assert len(NAMED) > 30


@pytest.mark.parametrize("name", NAMED)
def test_a_test_that_the_page_names_exists(name: str) -> None:
    assert name in _tests()


def test_the_page_names_every_row_and_no_other() -> None:
    assert [row.name for row in all_rows()] == ROWS
