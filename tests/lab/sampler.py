"""What processes use, sampled while a story goes on: memory, descriptors, threads, time of the CPU.

Reads what Linux tells of a process; knows nothing of what it does.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path

from tests.lab.background import Background

__all__ = ["Sample", "Sampler", "sample"]

_PAGE = os.sysconf("SC_PAGE_SIZE")
_TICK = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class Sample:
    """What some processes use together, at a moment; `rss` in bytes, `cpu` in seconds so far."""

    at: float
    rss: int
    fds: int
    threads: int
    cpu: float


def sample(pids: Collection[int]) -> Sample:
    """Return what these processes use now; one that has ended uses nothing."""
    rss = fds = threads = 0
    cpu = 0.0
    for pid in pids:
        place = Path(f"/proc/{pid}")
        try:
            # After the name, which stands in parentheses and may hold anything.
            fields = (place / "stat").read_text().rpartition(")")[2].split()
            fds += len(os.listdir(place / "fd"))
        except (FileNotFoundError, ProcessLookupError):
            continue
        cpu += (int(fields[11]) + int(fields[12])) / _TICK
        threads += int(fields[17])
        rss += int(fields[21]) * _PAGE
    return Sample(time.monotonic(), rss, fds, threads, cpu)


class Sampler(Background):
    """Samples in a thread of its own, every so many seconds; a context manager.

    `pids` is asked anew each time. `samples` is to be read after the end.
    """

    def __init__(self, pids: Callable[[], Collection[int]], *, every: float = 1.0) -> None:
        super().__init__()
        self.samples: list[Sample] = []
        self._pids = pids
        self._every = every
        self._over = threading.Event()

    def _work(self) -> None:
        while not self._over.wait(self._every):
            self.samples.append(sample(self._pids()))

    @property
    def peak(self) -> int:
        """The most memory that was seen, in bytes."""
        return max((each.rss for each in self.samples), default=0)

    def _end(self) -> None:
        self._over.set()
