"""The count of runs at once counts what was so, and nothing else."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.lab.crowd import most_at_once
from tests.lab.ledger import Ledger


def written(folder: Path, *notes: tuple[str, str, float, int]) -> Ledger:
    for kind, job, at, pid in notes:
        line: dict[str, Any] = {"id": job, "at": at, "pid": pid, "attempt": 1, "parent": 1}
        with (folder / kind).open("a") as file:
            file.write(json.dumps(line) + "\n")
    return Ledger(folder)


def test_runs_that_overlap_are_counted(tmp_path: Path) -> None:
    ledger = written(
        tmp_path,
        *(("begun", "a", 1.0, 7), ("begun", "b", 2.0, 7), ("done", "a", 3.0, 7)),
        *(("begun", "c", 3.5, 8), ("done", "b", 4.0, 7), ("done", "c", 5.0, 8)),
    )

    assert most_at_once(ledger, {}) == 2


def test_a_run_whose_process_was_killed_ends_with_it(tmp_path: Path) -> None:
    ledger = written(
        tmp_path,
        *(("begun", "a", 1.0, 7), ("begun", "a", 2.5, 8), ("done", "a", 3.0, 8)),
    )

    assert most_at_once(ledger, {7: 2.0}) == 1
    assert most_at_once(ledger, {7: 2.6}) == 2
    assert most_at_once(ledger, {1: 2.0}) == 1


def test_a_run_without_an_end_is_no_answer(tmp_path: Path) -> None:
    with pytest.raises(AssertionError, match="neither ended nor been killed"):
        most_at_once(written(tmp_path, ("begun", "a", 1.0, 7)), {})
