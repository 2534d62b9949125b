"""The table of process groups that a worker's processes share."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator

import pytest

from pulpo.worker.groups import GroupRow, Groups


@pytest.fixture
def process() -> Iterator[subprocess.Popen[bytes]]:
    started = subprocess.Popen(
        [sys.executable, "-c", "import time; time.sleep(600)"], start_new_session=True
    )
    yield started
    started.kill()
    started.wait()


def test_what_is_added_lives_until_it_is_removed() -> None:
    groups = Groups(2, 4)
    groups.row(0).add(1_000_001)
    groups.row(1).add(1_000_002)
    groups.row(1).add(1_000_003)
    assert groups.living() == [1_000_001, 1_000_002, 1_000_003]

    groups.row(1).remove(1_000_002)

    assert groups.living() == [1_000_001, 1_000_003]


def test_a_forked_process_notes_what_its_parent_sees() -> None:
    groups = Groups(1, 4)
    pid = os.fork()
    if not pid:
        groups.row(0).add(1_000_001)
        os._exit(0)
    os.waitpid(pid, 0)

    assert groups.living() == [1_000_001]


def test_a_row_has_room_for_a_sandbox_in_each_thread_and_says_when_it_is_full() -> None:
    row = GroupRow.alone(100)
    for number in range(109):
        row.add(1_000_000 + number)

    with pytest.raises(OSError, match="no room"):
        row.add(2_000_000)
    row.remove(1_000_050)
    row.add(2_000_000)


def test_killing_a_row_ends_its_groups_and_no_others(process: subprocess.Popen[bytes]) -> None:
    groups = Groups(2, 4)
    groups.row(0).add(process.pid)

    groups.row(1).kill()
    assert process.poll() is None
    groups.row(0).kill()

    assert process.wait(10) == -signal.SIGKILL
    assert groups.living() == []


@pytest.mark.parametrize("number", [0, 1, -1, 2**31, -(2**62)])
def test_a_number_that_is_no_group_is_never_killed(number: int) -> None:
    groups = Groups(1, 4)
    groups.row(0).add(number)

    assert groups.living() == []
    groups.kill()  # -1 would be everybody, 0 ourselves
    groups.row(0).kill()
