"""What can be read of a damaged queue file is copied into a new one; the old one stays."""

from __future__ import annotations

import random
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from pulpo.adapters.sqlite import SQLiteEngine
from pulpo.adapters.sqlite.salvage import Salvaged
from pulpo.clock import SystemClock
from pulpo.errors import QueueUnavailableError, UnsupportedError, UsageError
from pulpo.job import JobState, NewJob, Settlement, Verb
from pulpo.queue_url import QueueURL
from tests.adapters.sqlite.jobs import new, put, reserve

PAGE = 4_096
LEAF_OF_TABLE, INSIDE_TABLE = 0x0D, 0x05


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "queue.db"


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    return tmp_path / "saved" / "queue.db"


def engine_at(path: Path) -> SQLiteEngine:
    return SQLiteEngine(QueueURL.parse(f"sqlite:///{path}"), clock=SystemClock())


def filled(path: Path, count: int) -> dict[str, NewJob]:
    """Make a queue of so many jobs, and close it; return them by their ids."""
    jobs = [new(bytes([n % 256]) * 150, priority=n) for n in range(count)]
    with closing(engine_at(path).adapter()) as adapter:
        put(adapter, *jobs)
    return {job.id: job for job in jobs}


def pages(path: Path, kind: int) -> list[int]:
    """Return the numbers of the pages of a kind, without the first one, which is never one kind."""
    data = path.read_bytes()
    return [n for n in range(1, len(data) // PAGE) if data[n * PAGE] == kind]


def damage(path: Path, *numbers: int) -> None:
    """Overwrite pages of a file that nobody has open."""
    with path.open("r+b") as opened:
        for number in numbers:
            opened.seek(number * PAGE)
            opened.write(b"\xff" * PAGE)


def bodies(path: Path) -> dict[str, bytes]:
    """Return the bodies in a queue, by ids."""
    with closing(engine_at(path).admin()) as admin:
        return {job.id: job.body for job in admin.list(limit=1_000_000)}


def check(found: Salvaged, jobs: dict[str, NewJob], copy: Path) -> None:
    """Every job is in the copy, as it was, or named as lost."""
    saved = bodies(copy)
    assert saved == {name: jobs[name].body for name in saved}
    assert found.copied == len(saved)
    if found.complete:
        assert set(found.lost) == jobs.keys() - saved.keys()


def test_of_a_whole_file_every_job_is_copied_and_the_old_file_stays(path: Path, copy: Path) -> None:
    jobs = filled(path, 1_200)
    before = path.read_bytes()

    found = engine_at(path).salvage(copy)

    assert found == Salvaged(copied=1_200, lost=[], unsound=0, complete=True)
    check(found, jobs, copy)
    assert path.read_bytes() == before


def test_a_page_that_cannot_be_read_costs_the_jobs_on_it_and_no_other(
    path: Path, copy: Path
) -> None:
    jobs = filled(path, 1_200)
    leaf = pages(path, LEAF_OF_TABLE)[15]
    damage(path, leaf)

    found = engine_at(path).salvage(copy)

    assert 1 <= len(found.lost) <= PAGE // 150
    assert found.copied + len(found.lost) == 1_200
    check(found, jobs, copy)


@pytest.mark.parametrize("floor", ["the root", "an inner page"])
def test_a_page_that_only_leads_to_others_costs_no_job(path: Path, copy: Path, floor: str) -> None:
    # Big enough for a tree of three floors: an inner page leads to some 400 leaves.
    jobs = filled(path, 12_000)
    root, *inner = pages(path, INSIDE_TABLE)
    assert inner
    damage(path, root if floor == "the root" else inner[0])

    found = engine_at(path).salvage(copy)

    assert found == Salvaged(copied=12_000, lost=[], unsound=0, complete=True)
    assert list(bodies(copy)) == list(jobs), "in their order"
    assert [file.name for file in copy.parent.iterdir() if "pages" in file.name] == []


def test_a_row_that_was_deleted_does_not_come_back_from_a_page_out_of_use(
    path: Path, copy: Path
) -> None:
    jobs = filled(path, 3_000)
    gone = list(jobs)[:1_500]
    with closing(engine_at(path).admin()) as admin:
        assert all(admin.delete(gone))
    root = 1
    assert path.read_bytes()[root * PAGE] == INSIDE_TABLE
    damage(path, root)

    found = engine_at(path).salvage(copy)

    assert found.copied == 1_500
    assert set(bodies(copy)) == set(list(jobs)[1_500:])


@pytest.mark.parametrize("seed", range(12))
def test_wherever_the_damage_is_no_job_vanishes_without_a_word(
    path: Path, copy: Path, seed: int
) -> None:
    draw = random.Random(seed)
    jobs = filled(path, 1_500)
    last = path.stat().st_size // PAGE
    # Not the first page: without it SQLite knows of no table at all.
    damage(path, *(draw.randrange(1, last) for _ in range(draw.choice([1, 3, 10]))))

    found = engine_at(path).salvage(copy)

    check(found, jobs, copy)
    if found.complete:
        assert len(found.lost) <= 10 * PAGE // 150, "what was on the damaged pages"


def test_jobs_keep_their_state_and_those_that_were_being_run_are_ready(
    path: Path, copy: Path
) -> None:
    with closing(engine_at(path).adapter()) as adapter:
        put(adapter, new(b"buried"))
        (job,) = reserve(adapter)
        adapter.exchange([Settlement(Verb.BURY, job, new(b"buried"))], (), limit=0, timeout=0)
        put(adapter, new(b"held"))
        reserve(adapter)
        soon = SystemClock.wall() + 3_600
        put(adapter, new(b"delayed", delay=3_600), new(b"scheduled", at=soon), new(b"ready"))
        with closing(engine_at(path).admin()) as admin:
            admin.pause("mail")
        adapter._trader.membership.die()  # as SIGKILL would: the job stays held

        found = engine_at(path).salvage(copy)

    assert found.copied == 5
    with closing(engine_at(copy).admin()) as admin:
        listed = {job.body: job for job in admin.list()}
        assert admin.stats("mail").paused
    assert {body: job.state for body, job in listed.items()} == {
        b"buried": JobState.BURIED,
        b"held": JobState.READY,
        b"delayed": JobState.DELAYED,
        b"scheduled": JobState.DELAYED,
        b"ready": JobState.READY,
    }
    assert listed[b"delayed"].due == pytest.approx(3_600, abs=60)
    assert listed[b"scheduled"].due == pytest.approx(3_600, abs=60)


def test_a_row_that_makes_no_sense_is_left_out_and_counted(path: Path, copy: Path) -> None:
    jobs = filled(path, 6)
    odd = {
        "queue": "-not a queue",
        "state": 17,
        "body": "text",
        "priority": -1,
        "moment": "yesterday",
    }
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("PRAGMA ignore_check_constraints = ON")  # a damaged disk asks nobody
        for number, (column, value) in enumerate(odd.items(), 1):
            connection.execute(f"UPDATE jobs SET {column} = ? WHERE number = ?", (value, number))

    found = engine_at(path).salvage(copy)

    assert (found.copied, found.unsound, len(found.lost)) == (1, 5, 5)
    assert set(found.lost) | set(bodies(copy)) == set(jobs)


def test_a_worker_takes_the_jobs_from_the_copy(path: Path, copy: Path) -> None:
    jobs = filled(path, 3)
    engine_at(path).salvage(copy)

    with closing(engine_at(copy).adapter()) as adapter:
        assert [job.body for job in reserve(adapter, 10)] == [job.body for job in jobs.values()]


def test_the_first_page_cannot_be_done_without(path: Path, copy: Path) -> None:
    filled(path, 3)
    damage(path, 0)

    with pytest.raises(QueueUnavailableError, match=r"nothing of .* can be read .* \.recover"):
        engine_at(path).salvage(copy)
    assert not copy.exists()


def test_nothing_is_written_over(path: Path, copy: Path) -> None:
    filled(path, 3)
    copy.parent.mkdir()
    copy.write_text("mine")

    with pytest.raises(UsageError, match="not there yet"):
        engine_at(path).salvage(copy)
    assert copy.read_text() == "mine"


def test_a_file_that_a_worker_uses_is_not_copied(path: Path, copy: Path) -> None:
    filled(path, 3)
    with closing(engine_at(path).adapter()) as adapter:
        reserve(adapter)

        with pytest.raises(UnsupportedError, match="a worker still uses"):
            engine_at(path).salvage(copy)


def test_an_absent_file_cannot_be_salvaged(path: Path, copy: Path) -> None:
    with pytest.raises(QueueUnavailableError, match="No such file"):
        engine_at(path).salvage(copy)
    assert not copy.parent.exists()
