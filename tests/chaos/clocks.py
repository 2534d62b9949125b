"""Wall clocks that a test sets while programs run by them; the monotonic clock stays true.

A Python process imports this module with `CLOCK` in its environment: a file that says how many
seconds its wall clock is ahead. (libfaketime breaks the sleeps of such a process.) A server, which
sleeps by nothing but its poll, gets libfaketime.
"""

from __future__ import annotations

import os
import time
from pathlib import Path

from pulpo.clock import SystemClock
from tests.lab.needs import find_faketime

__all__ = ["WallClock", "live_by"]


class WallClock:
    """One clock, kept in a file."""

    def __init__(self, file: Path, ahead: float = 0.0) -> None:
        self._file = file
        self.set(ahead)
        #: For Python processes that import this module.
        self.environ = {"CLOCK": str(file)}
        #: For a server.
        self.preload = {
            "LD_PRELOAD": find_faketime() or "",
            "FAKETIME_TIMESTAMP_FILE": str(file),
            "FAKETIME_NO_CACHE": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
            "DONT_FAKE_MONOTONIC": "1",
        }

    def set(self, ahead: float) -> None:
        """Set it so many seconds ahead of the true time, at once."""
        part = self._file.with_suffix(".new")
        part.write_text(f"{ahead:+.3f}")
        part.replace(self._file)  # never half a file


def live_by(file: Path) -> None:
    """Let this process see another wall clock from now on."""
    true, true_ns = time.time, time.time_ns

    def ahead() -> float:
        return float(file.read_text())

    time.time = lambda: true() + ahead()
    time.time_ns = lambda: true_ns() + int(ahead() * 1e9)
    SystemClock.wall = staticmethod(time.time)  # type: ignore[method-assign]  # it has the true one


if "CLOCK" in os.environ:
    live_by(Path(os.environ["CLOCK"]))
