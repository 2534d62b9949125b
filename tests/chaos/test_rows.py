"""Every row of the chaos programme in its short form, on each of its engines."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.chaos.row import Row, all_rows, needs_of
from tests.chaos.trial import perform
from tests.lab.needs import need

SEED = int(os.environ.get("PULPO_CHAOS_SEED", "1"))
TRIALS = [
    pytest.param(row, engine, id=f"{row.name}-{engine}")
    for row in all_rows()
    for engine in (row.engines if row.short_on is None else row.short_on)
    if row.short is not None
]


@pytest.mark.timeout(400)
@pytest.mark.parametrize(("row", "engine"), TRIALS)
def test_what_must_hold_holds_in_the_end(row: Row, engine: str, tmp_path: Path) -> None:
    """The folder of a failure is kept by pytest; PULPO_CHAOS_SEED repeats another seed."""
    need(*needs_of(row, engine))
    assert row.short is not None
    result = perform(row, engine, row.short, seed=SEED, folder=tmp_path)
    assert not result.complaints, "\n".join(result.complaints)
