"""When a worker process has done enough: after so many jobs, or when it has grown too big.

Knows counts and bytes, not what runs. That the process then takes no more, lets what runs finish
and is replaced is the loop's and the supervisor's business.
"""

from __future__ import annotations

import random
from collections.abc import Callable

from pulpo.system import resident_bytes
from pulpo.worker.settings import WorkerSettings

__all__ = ["Recycling"]

# How often the memory is looked at, in seconds.
_EVERY = 1.0
# Of the limit of jobs, at random: the processes of a worker shall not all end in one moment.
_SPREAD = 0.1


class Recycling:
    """The limits of one process; the loop thread's. `memory` returns bytes."""

    def __init__(
        self,
        settings: WorkerSettings,
        *,
        spread: float | None = None,
        memory: Callable[[], int] = resident_bytes,
    ) -> None:
        part = random.random() if spread is None else spread
        jobs = settings.max_jobs
        self._jobs = None if jobs is None else max(round(jobs * (1 - _SPREAD * part)), 1)
        self._bytes = settings.max_memory
        self.is_wanted = self._jobs is not None or self._bytes is not None
        self._memory = memory
        self._next = 0.0
        self._taken = 0

    def within(self, limit: int) -> int:
        """Return how many of so many jobs the process may still take."""
        return limit if self._jobs is None else min(limit, self._jobs - self._taken)

    def took(self, jobs: int) -> None:
        """So many jobs were reserved."""
        self._taken += jobs

    def reason(self, now: float, *, is_idle: bool) -> str:
        """Say why the process has done enough, or return "" as long as it has not.

        `now` is monotonic seconds. The last of so many jobs are let finish, however long they take:
        a job that was cut short each time would never come to its end. Memory does not wait for
        them; but it is no reason before the first job, so that each process does some work.
        """
        if self._jobs is not None and self._taken >= self._jobs and is_idle:
            return f"it has run {self._taken} jobs"
        if self._bytes is None or now < self._next or not self._taken:
            return ""
        self._next = now + _EVERY
        used = self._memory()
        if used <= self._bytes:
            return ""
        return f"it uses {_megabytes(used)} of memory, more than {_megabytes(self._bytes)}"


def _megabytes(count: int) -> str:
    return f"{count / 1e6:.0f}MB"
