"""A look at a spool says what waits in it, since when, and what was put aside; it makes nothing."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from pulpo.adapters.spool.checkup import examine
from pulpo.adapters.spool.names import REFUSED, name_of
from pulpo.adapters.spool.store import Spool
from pulpo.checkup import Finding, Level
from pulpo.clock import ManualClock
from tests.adapters.looks import FAULT, NOTE, OK, WARNING, by_name, levels
from tests.adapters.sqlite.jobs import new

NOW = 1_800_000_000.0
LIMIT = 50


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "spool"


def examined(folder: Path) -> dict[str, Finding]:
    return by_name(examine(Spool(folder, LIMIT, ManualClock(NOW))))


def spooled(folder: Path, *ages: float) -> None:
    folder.mkdir(mode=0o700)
    for age in ages:
        file = folder / name_of(new())
        file.write_bytes(b"a job")
        os.utime(file, (NOW - age, NOW - age))


def test_an_absent_spool_is_empty_and_is_not_made(folder: Path) -> None:
    found = examined(folder)

    assert found["spool"].level is OK
    assert not folder.exists()


@pytest.mark.parametrize(
    ("ages", "level"), [((), OK), ((1.0,), NOTE), ((1.0, 59.0), NOTE), ((1.0, 61.0), WARNING)]
)
def test_jobs_that_nobody_relays_are_a_warning(
    folder: Path, ages: tuple[float, ...], level: Level
) -> None:
    spooled(folder, *ages)

    found = examined(folder)

    assert levels(found, level) == {"spool"} == set(found)
    if ages:
        assert f"{len(ages)} waiting" in found["spool"].found
        assert f"{5 * len(ages)} of at most 50 bytes" in found["spool"].found


@pytest.mark.parametrize(("jobs", "level"), [(8, NOTE), (9, WARNING), (10, FAULT)])
def test_a_spool_that_fills_up_is_a_warning_and_a_full_one_a_fault(
    folder: Path, jobs: int, level: Level
) -> None:
    spooled(folder, *[1.0] * jobs)

    assert examined(folder)["spool"].level is level


def test_what_was_put_aside_is_a_warning(folder: Path) -> None:
    spooled(folder)
    (folder / REFUSED).mkdir()
    assert "spool-refused" not in examined(folder)
    (folder / REFUSED / "a.too-big").touch()

    assert levels(examined(folder), WARNING) == {"spool-refused"}


def test_a_spool_that_others_can_write_is_a_fault(folder: Path) -> None:
    spooled(folder)
    folder.chmod(0o777)

    assert levels(examined(folder), FAULT) == {"spool-folder"}


def test_a_spool_that_cannot_be_read_is_a_fault(folder: Path) -> None:
    folder.write_text("not a folder")

    assert levels(examined(folder), FAULT) == {"spool"}
