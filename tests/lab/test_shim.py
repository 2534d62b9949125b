"""The failing disk fails what it should, when it should, and nothing else."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.lab.needs import need
from tests.lab.shim import FailingDisk

WRITE_AND_SYNC = """
import os, sys
for path in sys.argv[1:]:
    fd = os.open(path, os.O_WRONLY | os.O_CREAT)
    for call in (lambda: os.write(fd, b"x"), lambda: os.pwrite(fd, b"x", 0), lambda: os.fsync(fd)):
        try:
            call()
            print("ok", end=" ")
        except OSError as error:
            print(error.errno, end=" ")
"""


def written(disk: FailingDisk, *files: Path) -> list[str]:
    done = subprocess.run(
        [sys.executable, "-c", WRITE_AND_SYNC, *map(str, files)],
        env={**os.environ, **disk.environ},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    return done.stdout.split()


@pytest.fixture
def compiler() -> None:
    need("compiler")


@pytest.mark.usefixtures("compiler")
def test_only_the_named_file_fails_and_only_while_the_flag_is_up(tmp_path: Path) -> None:
    disk = FailingDisk(tmp_path / "flag", match="binlog.")
    log, other = tmp_path / "binlog.1", tmp_path / "other"

    assert written(disk, log) == ["ok", "ok", "ok"]
    disk.fail()
    assert written(disk, log, other) == [str(errno.EIO), str(errno.EIO), "ok", "ok", "ok", "ok"]
    disk.heal()
    assert written(disk, log) == ["ok", "ok", "ok"]


@pytest.mark.usefixtures("compiler")
def test_syncs_fail_by_themselves_with_the_error_that_was_asked_for(tmp_path: Path) -> None:
    disk = FailingDisk(tmp_path / "flag", match="binlog.", calls="sync", error=errno.ENOSPC)
    disk.fail()

    assert written(disk, tmp_path / "binlog.1") == ["ok", "ok", str(errno.ENOSPC)]
