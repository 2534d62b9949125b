"""Who closes last takes the log away, and only who is really the last does."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
import sys
import threading
from contextlib import closing
from pathlib import Path

import pytest

from pulpo.adapters.sqlite import SQLiteEngine
from pulpo.adapters.sqlite.adapter import SQLiteAdapter
from tests.adapters.sqlite.conftest import Open
from tests.adapters.sqlite.jobs import new, put

# Another process that puts a job, or only looks, and closes all it has.
OTHER = """
import sys
from pulpo.adapters import open_engine
from pulpo.job import NewJob
engine = open_engine(f"sqlite:///{sys.argv[1]}")
adapter, admin = engine.adapter(), engine.admin()
for n in range(int(sys.argv[2])):
    adapter.put([NewJob(id=f"other-{n}", type="t", queue="default", body=b"x")])
print(admin.stats("default").ready)
adapter.close(), admin.close()
"""


def visit(path: Path, jobs: int = 0) -> int:
    """Let another process come and go; return how many jobs it saw."""
    command = [sys.executable, "-c", OTHER, str(path), str(jobs)]
    return int(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def log(path: Path) -> Path:
    return path.with_name(path.name + "-wal")


# A program that knows nothing of pulpo: a backup, or somebody's look into the file.
STRANGER = """
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1])
print(connection.execute("SELECT count(*) FROM jobs").fetchone()[0])
connection.close()
"""


def strange_visit(path: Path) -> int:
    """Let a program that is not pulpo's look into the file; return how many jobs it saw."""
    command = [sys.executable, "-c", STRANGER, str(path)]
    return int(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def index(path: Path) -> Path:
    return path.with_name(path.name + "-shm")


def drop_locks(path: Path) -> None:
    """Drop all locks that SQLite has in this process on the file: as any plain close does."""
    shutil.copy(path, path.with_suffix(".copy"))
    for beside in ("-wal", "-shm"):
        path.with_name(path.name + beside).read_bytes()


def test_a_job_is_not_lost_where_a_program_copies_the_file_that_it_uses(
    adapter: SQLiteAdapter, path: Path
) -> None:
    put(adapter, new())
    drop_locks(path)

    assert visit(path, jobs=1) == 2
    put(adapter, new())

    # Had the visitor taken the log away, this job would be in a file that has no name any more.
    assert visit(path) == 3


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="no such locks elsewhere")
def test_nor_where_a_stranger_looks_into_the_file_meanwhile(
    adapter: SQLiteAdapter, path: Path
) -> None:
    """A backup by SQLite's own means, after a handler has read the file by plain means."""
    put(adapter, new())
    drop_locks(path)
    before = log(path).stat().st_ino, index(path).stat().st_ino

    for seen in range(1, 4):
        assert strange_visit(path) == seen
        assert visit(path, jobs=0) == seen
        drop_locks(path)
        put(adapter, new())

    assert (log(path).stat().st_ino, index(path).stat().st_ino) == before
    assert visit(path) == 4
    adapter.close()
    assert not log(path).exists()


def test_the_log_stays_while_others_use_it_and_goes_with_the_last(
    adapter: SQLiteAdapter, path: Path
) -> None:
    put(adapter, new())
    before = log(path).stat().st_ino
    drop_locks(path)

    visit(path, jobs=3)
    assert log(path).stat().st_ino == before

    adapter.close()
    assert not log(path).exists()
    assert visit(path) == 4


def test_a_process_keeps_one_connection_however_many_it_closes(
    engine: SQLiteEngine, adapter: SQLiteAdapter, path: Path
) -> None:
    put(adapter, new())
    program = OTHER.replace("adapter.close(), admin.close()", "") + (
        "import os\n"
        "adapter.close(), admin.close()\n"
        "def fds(): return len(os.listdir('/proc/self/fd'))\n"
        "before = fds()\n"
        "for n in range(20):\n"
        "    again = engine.adapter()\n"
        "    again.put([NewJob(id=f'again-{n}', type='t', queue='default', body=b'x')])\n"
        "    again.close()\n"
        "assert fds() <= before, (before, fds())\n"
    )
    subprocess.run([sys.executable, "-c", program, str(path), "1"], check=True)

    assert visit(path) == 22


def test_threads_that_come_and_go_lose_nothing(open_adapter: Open, path: Path) -> None:
    put(open_adapter(), new())

    def come_and_go() -> None:
        for _ in range(10):
            adapter = open_adapter()
            put(adapter, new())
            adapter.close()

    threads = [threading.Thread(target=come_and_go) for _ in range(4)]
    for thread in threads:
        thread.start()
    for _ in range(5):
        drop_locks(path)
        visit(path)
    for thread in threads:
        thread.join()

    assert visit(path) == 41


def test_a_file_without_a_log_takes_jobs(engine: SQLiteEngine, path: Path) -> None:
    """Somebody has set its mode: every commit has to be alone with the file then."""
    first = engine.adapter()
    put(first, new())
    first.close()
    with closing(sqlite3.connect(path)) as stranger:
        stranger.execute("PRAGMA journal_mode = DELETE")

    adapter, other = engine.adapter(), engine.adapter()
    put(adapter, new())
    put(other, new())
    adapter.close()
    other.close()

    assert visit(path, jobs=1) == 4


def test_opens_that_fail_leave_nothing_open(
    adapter: SQLiteAdapter, engine: SQLiteEngine, path: Path
) -> None:
    put(adapter, new())
    program = (
        "import os, sys\n"
        "from pulpo.adapters import open_engine\n"
        "from pulpo.errors import QueueError\n"
        "from pulpo.job import NewJob\n"
        "adapter = open_engine(f'sqlite:///{sys.argv[1]}').adapter()\n"
        "def fails():\n"
        "    try:\n"
        "        adapter.put([NewJob(id='j', type='t', queue='default', body=b'x')])\n"
        "    except QueueError:\n"
        "        return len(os.listdir('/proc/self/fd'))\n"
        "print(*{fails() for _ in range(9)})\n"
    )
    with closing(sqlite3.connect(path)) as stranger:
        (version,) = stranger.execute("PRAGMA user_version").fetchone()
        stranger.execute("PRAGMA user_version = 99")  # another pulpo's, and none that we know
        command = [sys.executable, "-c", program, str(path)]
        said = subprocess.run(command, check=True, capture_output=True, text=True).stdout
        stranger.execute(f"PRAGMA user_version = {version}")

    assert len(said.split()) == 1
    assert said != "None\n"


def test_the_log_goes_with_the_last_one_also_where_that_was_a_fork(
    adapter: SQLiteAdapter, path: Path
) -> None:
    put(adapter, new())
    child = os.fork()
    if not child:
        os._exit(0)
    os.waitpid(child, 0)
    adapter.close()

    assert not log(path).exists()
    assert visit(path) == 1


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="no such locks elsewhere")
def test_a_file_that_was_made_anew_is_the_one_that_is_held(
    adapter: SQLiteAdapter, open_adapter: Open, path: Path, tmp_path: Path
) -> None:
    put(adapter, new())
    (tmp_path / "away").mkdir()
    for name in (path.name, log(path).name, index(path).name):
        (tmp_path / name).rename(tmp_path / "away" / name)
    second = open_adapter()
    put(second, new())
    drop_locks(path)

    assert strange_visit(path) == 1
    put(second, new())

    assert strange_visit(path) == 2
