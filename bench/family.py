"""What a crew of processes costs while it idles: memory and CPU time, as Linux counts them.

The processes of a crew share their command line, as they were forked from one; it holds the
address of a queue that is only theirs. So a helper that is nobody's child is counted too.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

__all__ = ["cpu_seconds", "family_of", "missing_family", "pss_mb"]

_PROC = Path("/proc")


def missing_family() -> str | None:
    """Say why memory can't be counted here; None if it can."""
    if not Path("/proc/self/smaps_rollup").exists():
        return "memory by PSS is counted by Linux only"
    return None


def family_of(command: Sequence[str]) -> list[int]:
    """Return all processes with this command line."""
    wanted = b"".join(word.encode() + b"\0" for word in command)
    found = []
    for entry in _PROC.iterdir():
        if entry.name.isdigit():
            with suppress(OSError):  # it has just ended
                if (entry / "cmdline").read_bytes() == wanted:
                    found.append(int(entry.name))
    return found


def pss_mb(pids: Sequence[int]) -> float:
    """Return their memory; pages that several share are counted once, in parts."""
    total = 0
    for pid in pids:
        with suppress(OSError):
            for line in (_PROC / str(pid) / "smaps_rollup").read_text().splitlines():
                if line.startswith("Pss:"):
                    total += int(line.split()[1])
    return total / 1024


def cpu_seconds(pids: Sequence[int]) -> float:
    """Return the CPU time that they have used, to the nanosecond.

    The files of /proc count in steps of 10 ms, 0.3 % of three seconds: too coarse here.
    """
    total = 0.0
    for pid in pids:
        with suppress(OSError):
            total += time.clock_gettime((~pid << 3) | 2)  # CPUCLOCK_SCHED of another process
    return total
