"""The jobs that the benchmark's workers run, a module for each kind; each stamps its slot.

A worker is given one module, so that it serves one type and one pool, as a plain user's does;
`limited` has the type of `noop` beside its own.
"""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path

from bench.marks import Marks

__all__ = [
    "BRIEF",
    "BRIEF_PULSE",
    "LIMITED",
    "MARKS",
    "NOOP",
    "PULSE",
    "SLEEP",
    "SLEEP_ASYNC",
    "marks",
]

MARKS = "PULPO_BENCH_MARKS"  # the environment variable that names the file of stamps

NOOP, SLEEP, SLEEP_ASYNC, BRIEF, LIMITED = "noop", "sleep", "sleep_async", "brief", "limited"
#: Seconds that `sleep` and `sleep_async` take, and those of `brief`.
PULSE, BRIEF_PULSE = 0.01, 0.002


@cache
def marks() -> Marks:
    """Return the stamps of the run that this process works for."""
    return Marks.open(Path(os.environ[MARKS]))
