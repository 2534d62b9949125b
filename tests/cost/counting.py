"""Counters that do not depend on how busy the machine is: calls in Python, and of the kernel.

What a start costs is taken off by counting twice, for two numbers of jobs. Knows no engine.
"""

from __future__ import annotations

import itertools
import re
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

__all__ = ["Kernel", "calls_in", "kernel_calls_a_job"]

# What strace says of one call: its name, and what it returned.
_CALL = re.compile(r"^\d+\s+(?:<\.\.\. )?(\w+)(?:\(| resumed>).*= (-?\d+)", re.MULTILINE)
_UNFINISHED = "<unfinished ...>"
_PATIENCE = 120.0


def calls_in(function: Callable[[], object]) -> int:
    """Return how many Python functions a call calls, here and in the threads that it starts."""
    counter = itertools.count()  # of which no thread loses a step

    def note(frame: FrameType, event: str, argument: object) -> None:
        if event == "call":
            next(counter)

    threading.setprofile(note)
    sys.setprofile(note)
    try:
        function()
    finally:
        sys.setprofile(None)
        threading.setprofile(None)  # type: ignore[arg-type]  # None ends it, the stubs forget
    return next(counter)


@dataclass(frozen=True)
class Kernel:
    """System calls by name, and what they returned in sum: for those that read or write, bytes."""

    calls: Counter[str]
    returned: Counter[str]

    def total(self, *names: str) -> int:
        """Return how many there were of these."""
        return sum(self.calls[name] for name in names)


def kernel_calls_a_job(
    folder: Path, url: str, act: str, *, few: int, many: int
) -> tuple[dict[str, float], dict[str, float]]:
    """Return the system calls for one job by name, and the bytes that they moved.

    Runs `tests.cost.program` under strace, once for few jobs and once for many.
    """
    less, more = (_trace(folder, url, act, count) for count in (few, many))
    between = many - few
    return (
        {name: (more.calls[name] - less.calls[name]) / between for name in more.calls},
        {name: (more.returned[name] - less.returned[name]) / between for name in more.returned},
    )


def _trace(folder: Path, url: str, act: str, count: int) -> Kernel:
    told = folder / f"{act}-{count}.strace"
    subprocess.run(
        ["strace", "-f", "-qq", "-s", "0", "-o", str(told)]
        + [sys.executable, "-m", "tests.cost.program", url, act, str(count)],
        check=True,
        timeout=_PATIENCE,
        stderr=subprocess.DEVNULL,
    )
    calls: Counter[str] = Counter()
    returned: Counter[str] = Counter()
    for line in told.read_text().splitlines():
        found = _CALL.match(line) if not line.endswith(_UNFINISHED) else None
        if found is not None:
            calls[found[1]] += 1
            returned[found[1]] += max(int(found[2]), 0)
    return Kernel(calls, returned)
