"""The model finds what is wrong: engines with a bug each, and the steps that show it.

The sound engines are compared by the row J1 of the chaos programme.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path

import pytest

from pulpo.adapters.memory.adapter import MemoryAdapter
from pulpo.adapters.memory.line import Entry
from pulpo.adapters.memory.store import Store
from pulpo.job import Job
from tests.model.grounds import GROUNDS
from tests.model.programs import run


def attempt(folder: Path) -> None:
    run(partial(GROUNDS["memory"], folder), examples=300, steps=30, seed=1, shrink=False)


def test_a_settlement_with_an_old_receipt_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def owned(store: Store, owner: object, job: Job) -> Entry | None:
        entry = store.entries.get(job.number)
        return entry if entry is not None and entry.owner is owner else None

    monkeypatch.setattr(Store, "owned", owned)

    with pytest.raises(AssertionError) as found:
        attempt(tmp_path)

    assert any("state.put(" in note or "state.first(" in note for note in found.value.__notes__)


def test_a_job_that_is_lost_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bury = Store.bury

    def forget_every_second(store: Store, job: object) -> None:
        if len(store.entries) % 2:
            bury(store, job)  # type: ignore[arg-type]

    monkeypatch.setattr(Store, "bury", forget_every_second)

    with pytest.raises((AssertionError, KeyError)):
        attempt(tmp_path)


def test_a_second_run_beside_the_first_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    take = Store.take

    def take_again(store: Store, owner: object, *rest: object) -> list[Job]:
        for entry in store.entries.values():
            if entry.state.value == "ready":
                entry.owner = None
        return take(store, owner, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(Store, "take", take_again)

    with pytest.raises(AssertionError):
        attempt(tmp_path)


def test_a_crash_that_is_not_counted_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(MemoryAdapter, "crash", MemoryAdapter.close)

    with pytest.raises(AssertionError, match=r"crash|: \d+, not|Job"):
        attempt(tmp_path)
