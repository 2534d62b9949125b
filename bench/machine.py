"""Where a run happened, and how busy the machine was with other things."""

from __future__ import annotations

import os
import platform
import sqlite3

from bench.place import disk_sync_ms

__all__ = ["describe", "headline"]

_QUIET = 0.5


def describe() -> dict[str, object]:
    """Return what figures of another machine are not to be compared without."""
    return {
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        "system": platform.platform(),
        "sqlite": sqlite3.sqlite_version,
        "load": round(os.getloadavg()[0], 2),
        "disk_sync_ms": round(disk_sync_ms(), 3),
    }


def headline(machine: dict[str, object]) -> str:
    """Return it as a line, and a warning where the machine is not quiet."""
    line = (
        f"{machine['cores']} cores, Python {machine['python']}, SQLite {machine['sqlite']}, "
        f"a synced 4 KiB write takes {machine['disk_sync_ms']} ms, load {machine['load']}"
    )
    if float(str(machine["load"])) > _QUIET:
        line += "\nthis machine is doing something else too: the figures will be noisy"
    return line
