"""What a page costs on a file does not grow with its jobs: steps of SQLite's machine, counted."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pulpo.adapters import open_engine
from pulpo.codec import Codec
from pulpo.dashboard.counting import Counted
from pulpo.dashboard.filters import ListFilter
from pulpo.dashboard.reading import Reading
from pulpo.dashboard.side import NothingTold
from pulpo.job import JobState, QueueStats
from pulpo.redaction import DEFAULT
from pulpo.registry import Registry
from tests.dashboard.test_bulk_acts import put_many

FEW, MANY = 3_000, 12_000
# A step is an instruction of SQLite's; a job that is looked at costs about 30.
_EACH = 10
NOW = 2_000_000_000.0
_SPREAD = """
UPDATE jobs SET state = ?1, moment = ?2 + number, due_wall = CASE ?1 WHEN 1 THEN ?2 + number END
WHERE number % 3 = ?3
"""
PAGES: dict[str, Callable[[Reading, Any, Counted], object]] = {
    "overview": lambda reading, admin, counted: reading.overview(admin, counted, 0.0),
    "queue": lambda reading, admin, counted: reading.queue(admin, "mail", counted),
    "types": lambda reading, admin, _: reading.types(admin),
    **{
        f"jobs?{name}={value}": lambda reading, admin, counted, pair=(name, value): reading.jobs(
            admin, ListFilter.of([pair]), counted, NOW
        )
        for name, value in [
            ("page", "2"),
            *(("state", state.value) for state in JobState),
            ("queue", "mail"),
            ("older", "1h"),
            ("where", "body.n=7"),
        ]
    },
}


def a_file(folder: Path, count: int) -> str:
    """Make a file with so many jobs, a third of them ready, delayed, and buried each."""
    url = f"sqlite:///{folder}/queue.db"
    put_many(url, count)
    connection = sqlite3.connect(folder / "queue.db")
    connection.execute(_SPREAD, (1, 1e12, 1))
    connection.execute(_SPREAD, (4, 1.0, 2))
    connection.commit()
    connection.close()
    return url


def steps(url: str, page: Callable[[Reading, Any, Counted], object], count: int) -> int:
    """Return how many steps SQLite has made for a page."""
    admin: Any = open_engine(url).admin()
    stats = QueueStats(queue="mail", ready=count // 3, delayed=count // 3, buried=count // 3)
    counted = Counted(queues=(stats,), at=0.0, took=0.0)
    reading = Reading(keys=Codec(), registry=Registry(), told=NothingTold(), hidden=DEFAULT)
    made = 0

    def note() -> None:
        nonlocal made
        made += _EACH

    admin._database.connection.set_progress_handler(note, _EACH)
    page(reading, admin, counted)
    admin.close()
    return made


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str]:
    """Return a file with few jobs and one with four times as many."""
    few, many = tmp_path_factory.mktemp("few"), tmp_path_factory.mktemp("many")
    return a_file(few, FEW), a_file(many, MANY)


@pytest.mark.parametrize("name", PAGES)
def test_a_page_costs_the_same_however_many_jobs_there_are(
    files: tuple[str, str], name: str
) -> None:
    few, many = files

    before, after = steps(few, PAGES[name], FEW), steps(many, PAGES[name], MANY)

    assert after <= before * 1.2 + 500, (before, after)
