"""Workers whose log leads nowhere, and workers that are stopped before they have begun."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.lab.place import TASKS, Place
from tests.lab.processes import children, environment, until

WORKER = [sys.executable, "-m", "pulpo", "worker", TASKS, "--processes", "1"]


@contextmanager
def worker(place: Place, redirected: str = "", **streams: int) -> Iterator[subprocess.Popen[bytes]]:
    """A worker with its descriptors as a shell redirects them."""
    process = subprocess.Popen(
        ["sh", "-c", f'exec "$@" {redirected}', "sh", *WORKER],
        cwd=place.folder,
        env=environment(place.url, place.ledger.folder),
        **streams,  # type: ignore[call-overload]
    )
    try:
        yield process
    finally:
        process.kill()
        process.wait()


@pytest.mark.parametrize("redirected", ["2>&-", ">&- 2>&-", "<&- >&- 2>&-", "2>/dev/full"])
def test_a_worker_without_a_place_for_its_log_runs_jobs(file_place: Place, redirected: str) -> None:
    file_place.published(file_place.produce(1, 20))

    with worker(file_place, redirected) as process:
        file_place.wait_until_all_done()
        (victim,) = children(process.pid)
        os.kill(victim, signal.SIGKILL)
        until(lambda: children(process.pid) not in ([], [victim]), "another process")
        file_place.published(file_place.produce(1, 20))
        file_place.wait_until_all_done()
        process.terminate()
        assert process.wait(30) == 0


def test_a_reader_of_the_log_that_goes_away_stops_nothing(file_place: Place) -> None:
    file_place.published(file_place.produce(1, 20))

    with worker(file_place, stderr=subprocess.PIPE) as process:
        assert process.stderr is not None
        assert b"started" in process.stderr.readline()
        process.stderr.close()
        file_place.wait_until_all_done()
        file_place.published(file_place.produce(1, 20))
        file_place.wait_until_all_done()
        assert process.poll() is None
        process.terminate()
        assert process.wait(30) == 0


def test_a_worker_that_is_stopped_before_its_start_line_ends_well(file_place: Place) -> None:
    for pause in (0.1, 0.2, 0.3, 0.4, 0.5):
        with worker(file_place) as process:
            # What comes before pulpo's first line is Python's own.
            until(lambda pid=process.pid: _takes_sigterm(pid), "its first line")  # type: ignore[misc]
            time.sleep(pause - 0.1)
            process.terminate()
            assert process.wait(5) == 0


def _takes_sigterm(pid: int) -> bool:
    with open(f"/proc/{pid}/status") as status:
        (caught,) = [line for line in status if line.startswith("SigCgt:")]
    return bool(int(caught.split()[1], 16) >> (signal.SIGTERM - 1) & 1)


def test_a_module_that_never_loads_does_not_keep_a_worker_from_stopping(
    file_place: Place,
) -> None:
    (file_place.folder / "endless.py").write_text("import time\ntime.sleep(600)\n")

    with file_place.worker("--processes", "1", module="endless") as running:
        until(running.children, "its process")
        assert running.stop(timeout=5) == 0


def test_signals_to_stop_leave_other_commands_as_they_were(file_place: Place) -> None:
    command = [sys.executable, "-m", "pulpo", "publish", "worker", "-"]
    own = environment(file_place.url, file_place.ledger.folder)
    with subprocess.Popen(command, cwd=file_place.folder, env=own, stdin=subprocess.PIPE) as reader:
        time.sleep(0.5)  # it waits for its stdin
        reader.terminate()
        assert reader.wait(10) == -signal.SIGTERM
