"""What a worker waits for, and what it does not: a file that is no queue never becomes one."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from tests.lab.place import TASKS, Place
from tests.lab.processes import environment, until


def run_worker(place: Place, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "pulpo", "worker", TASKS, *arguments],
        cwd=place.folder,
        env=environment(place.url, place.ledger.folder),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def queue_file(place: Place) -> Path:
    return place.folder / "queue.db"


@pytest.mark.parametrize("arguments", [(), ("--burst",)])
def test_a_queue_file_of_a_newer_pulpo_ends_the_worker_with_the_reason(
    file_place: Place, arguments: tuple[str, ...]
) -> None:
    file_place.published(file_place.produce(1, 1))
    with sqlite3.connect(queue_file(file_place)) as connection:
        connection.execute("PRAGMA user_version = 99")
    connection.close()

    ended = run_worker(file_place, *arguments)

    assert ended.returncode == 4
    assert "install a newer pulpo" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_a_file_that_is_no_database_ends_the_worker_with_the_reason(file_place: Place) -> None:
    queue_file(file_place).write_bytes(b"my precious notes, " * 100)
    queue_file(file_place).chmod(0o600)

    ended = run_worker(file_place)

    assert ended.returncode == 4
    assert "not a SQLite file" in ended.stderr
    assert queue_file(file_place).read_bytes().startswith(b"my precious notes")


def test_a_locked_queue_file_is_waited_for(file_place: Place) -> None:
    file_place.published(file_place.produce(1, 3))
    locked = sqlite3.connect(queue_file(file_place), isolation_level=None)
    locked.execute("BEGIN IMMEDIATE")

    with file_place.worker("--processes", "1") as worker:
        until(lambda: worker.said("waiting"), "its word that it waits", patience=60)
        assert worker.runs()
        assert worker.said("died") == []  # whoever waits for the queue is not frozen
        locked.execute("ROLLBACK")
        locked.close()
        file_place.wait_until_all_done()
        assert worker.stop() == 0


def test_a_module_that_breaks_in_the_middle_of_a_deploy_does_not_end_the_worker(
    file_place: Place,
) -> None:
    module = file_place.folder / "shop.py"
    module.write_text("from tests.lab.tasks import *\n")
    with file_place.worker("--max-jobs", "10", "--processes", "1", module="shop") as worker:
        worker.ready()
        module.write_text("half a li")
        file_place.published(file_place.produce(1, 30))
        until(lambda: worker.said("died"), "a process that does not load")
        assert worker.runs()
        module.write_text("from tests.lab.tasks import *\n")
        file_place.wait_until_all_done()
        assert worker.stop() == 0
        died = worker.said("died")

    assert all("SyntaxError" in line["reason"] for line in died)
