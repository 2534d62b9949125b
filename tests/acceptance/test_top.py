"""`pulpo top`: in a terminal until ^C, and once where there is none."""

from __future__ import annotations

import os
import pty
import sys
import time

from tests.lab.place import Place
from tests.lab.processes import environment

PATIENCE = 20.0


def test_without_a_terminal_it_looks_once(place: Place) -> None:
    place.published(place.produce(1, 3))

    said = place.pulpo("top")
    told = place.pulpo("top", "--json")

    assert said.code == told.code == 0
    assert "\x1b" not in said.out
    assert ["default", "3", "0", "0", "0"] in [line.split()[:5] for line in said.out.splitlines()]
    assert told.lines[0]["queues"]["default"]["ready"] == 3


def test_in_a_terminal_it_goes_on_until_it_is_interrupted_and_leaves_the_screen_as_it_was(
    file_place: Place,
) -> None:
    process, ours = pty.fork()
    if process == 0:  # pragma: no cover  # becomes another program
        command = [sys.executable, "-m", "pulpo", "top", "--every", "0.5s"]
        os.execve(command[0], command, environment(file_place.url, file_place.ledger.folder))
    try:
        drawn = _read_until(ours, b"queue", times=2)
        os.write(ours, b"\x03")
        drawn += _read_to_the_end(ours)
    finally:
        os.close(ours)
        _, status = os.waitpid(process, 0)

    assert os.waitstatus_to_exitcode(status) == 0
    assert drawn.startswith(b"\x1b[?1049h")
    assert b"\x1b[?1049l" in drawn[-40:]
    assert b"Traceback" not in drawn


def _read_until(fd: int, wanted: bytes, *, times: int) -> bytes:
    end, found = time.monotonic() + PATIENCE, b""
    while found.count(wanted) < times:
        assert time.monotonic() < end, found
        found += os.read(fd, 4_096)
    return found


def _read_to_the_end(fd: int) -> bytes:
    found = b""
    while True:
        try:
            data = os.read(fd, 4_096)
        except OSError:  # Linux says EIO where the other end of a terminal is closed
            return found
        if not data:
            return found
        found += data
