"""The three times that pulpo lives by, as one object that tests can move.

Nothing else in the package asks the operating system what time it is.
"""

from __future__ import annotations

import time
from functools import cache
from pathlib import Path
from typing import Protocol

__all__ = ["Clock", "ManualClock", "SystemClock"]


class Clock(Protocol):
    """Wall time for dates that people name, monotonic time for intervals, boot for leases."""

    def wall(self) -> float:
        """Return seconds since the epoch; jumps when somebody sets the clock."""
        ...

    def monotonic(self) -> float:
        """Return seconds that never jump, the same for all processes of one boot."""
        ...

    def boot(self) -> str:
        """Return a name of this boot: monotonic times of two boots can't be compared."""
        ...


class SystemClock:
    """The clock of the operating system; stateless, any thread."""

    wall = staticmethod(time.time)
    # CLOCK_MONOTONIC on Linux: stands still while a laptop is suspended, so leases do not age.
    monotonic = staticmethod(time.monotonic)

    def boot(self) -> str:
        """Return the kernel's boot id, or on systems without one the second of the boot."""
        return _kernels_boot() or f"booted-{(time.time() - time.monotonic()) // 10:.0f}"


@cache
def _kernels_boot() -> str:
    # Once: a process lives in one boot, and who keeps facts asks each time.
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except OSError:
        return ""


class ManualClock:
    """A clock that stands still until a test moves it."""

    def __init__(self, wall: float = 1_800_000_000.0) -> None:
        self._wall = wall
        self._monotonic = 1_000.0
        self._boot = "boot-1"

    def wall(self) -> float:
        """Return the wall time that the test has set."""
        return self._wall

    def monotonic(self) -> float:
        """Return the monotonic time that the test has set."""
        return self._monotonic

    def boot(self) -> str:
        """Return the boot that the test is in."""
        return self._boot

    def advance(self, seconds: float) -> None:
        """Let time pass, on both clocks."""
        self._wall += seconds
        self._monotonic += seconds

    def jump(self, seconds: float) -> None:
        """Set the wall clock forward or back, as an administrator would."""
        self._wall += seconds

    def reboot(self) -> None:
        """Start the machine anew: another boot, monotonic time from near zero."""
        self._boot += "+"
        self._monotonic = 1.0
