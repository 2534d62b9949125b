"""A worker in a terminal of its own: ^C, and a window that is closed; the kernel says so."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import pytest

from tests.lab.place import TASKS, Place
from tests.lab.processes import environment

# Makes the terminal on its standard input the one that it belongs to, as a shell has done for it.
_IN_ITS_TERMINAL = """
import fcntl, os, sys, termios
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
os.execv(sys.executable, [sys.executable, "-m", "pulpo", "worker", *sys.argv[1:]])
"""


class Terminal:
    """A worker and our end of its terminal."""

    def __init__(self, place: Place, *arguments: str) -> None:
        self._ours, theirs = os.openpty()
        self.process = subprocess.Popen(
            [sys.executable, "-c", _IN_ITS_TERMINAL, TASKS, *arguments],
            cwd=place.folder,
            env=environment(place.url, place.ledger.folder),
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            start_new_session=True,
        )
        os.close(theirs)

    def type(self, keys: bytes) -> None:
        """Press keys."""
        os.write(self._ours, keys)

    def close(self) -> None:
        """Close the window; twice is once."""
        ours, self._ours = self._ours, -1
        if ours >= 0:
            os.close(ours)


@contextmanager
def terminal(place: Place, *arguments: str) -> Iterator[Terminal]:
    window = Terminal(place, *arguments)
    try:
        yield window
    finally:
        window.close()
        with suppress(ProcessLookupError):
            window.process.kill()
        window.process.wait(10)


@pytest.mark.parametrize("end", ["^C", "closed"])
def test_a_worker_whose_terminal_ends_it_finishes_what_runs_and_hands_the_rest_back(
    file_place: Place, end: str
) -> None:
    place = file_place
    place.published(place.produce(1, 60, "--seconds=0.2"))
    with terminal(place, "--processes", "1", "--threads", "2") as window:
        place.wait_for("begun", 4)
        if end == "^C":
            window.type(b"\x03")
        else:
            window.close()

        assert window.process.wait(20) == 0

    begun = place.ledger.count("begun")
    assert place.ledger.count("done") == begun < 60
    assert place.stats()["ready"] == 60 - begun
    assert {entry.facts["attempt"] for entry in place.ledger.read("begun")} == {1}
