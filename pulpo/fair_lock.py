"""A lock between processes of which busy ones get even shares.

Knows two files that are locked and never written: a write, be it into another file, makes every
sync of the disk wait for one block more. A blocking flock(2) would be simpler, but it cannot give
up: one frozen holder would hang everybody for ever.
"""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Callable
from pathlib import Path

from pulpo.descriptors import check_own
from pulpo.system import abandon_in_children

__all__ = ["FairLock"]

# Whoever has held it for so long in all, in seconds, lets another one have it; who is next asks
# so often, and who comes later that seldom, but the more often the longer it has waited.
_QUANTUM = 0.005
_OFTEN, _SELDOM = 0.0001, 0.003
_LONG = 0.1
# So often in a row somebody stands back, for as long as the next one takes to ask.
_TIMES = 15


class FairLock:
    """One lock for one thread of each process; SIGKILL sets it free.

    `beat` is called while it waits. Of those who find it taken one is the next: it holds the file
    beside the lock, and asks again every fraction of a millisecond. Whoever has had its share
    looks whether there is a next one, and stands back for it.
    """

    def __init__(self, path: Path, beat: Callable[[], None]) -> None:
        self._beat = beat
        self._taken = self._held = 0.0
        self._fd = self._next = -1
        try:
            self._fd, self._own = _opened(path)
            self._next, self._own_next = _opened(path.with_name(f"{path.name}-next"))
        except BaseException:
            self.close()
            raise
        abandon_in_children(self)

    def take(self, timeout: float) -> bool:
        """Take the lock, waiting up to so many seconds; False where somebody kept it.

        Raises `OSError` (EBADF) where somebody else has closed a file of the lock: one that was
        given its number can be locked as well, and would guard nothing.
        """
        check_own(self._fd, self._own)
        if self._held > _QUANTUM:
            self._stand_back()
        if not _try(self._fd) and not self._queue_up(timeout):
            return False
        self._taken = time.perf_counter()
        return True

    def give(self) -> None:
        """Let the lock go."""
        self._held += time.perf_counter() - self._taken
        fcntl.flock(self._fd, fcntl.LOCK_UN)

    def close(self) -> None:
        """Let go of the files; twice is once."""
        for fd in (self._fd, self._next):
            if fd >= 0:
                os.close(fd)
        self._fd = self._next = -1

    abandon = close

    def _queue_up(self, timeout: float) -> bool:
        check_own(self._next, self._own_next)
        start = time.perf_counter()
        waited, is_next = 0.0, False
        try:
            while waited < timeout:
                is_next = is_next or _try(self._next)
                time.sleep(_OFTEN if is_next else _SELDOM / (1 + waited / _LONG))
                self._beat()
                # Everybody asks, in its time: the next one may be frozen.
                if _try(self._fd):
                    self._held = 0.0
                    return True
                waited = time.perf_counter() - start
            return False
        finally:
            if is_next:
                fcntl.flock(self._next, fcntl.LOCK_UN)

    def _stand_back(self) -> None:
        self._held = 0.0
        check_own(self._next, self._own_next)
        for _ in range(_TIMES):
            if _try(self._next):
                fcntl.flock(self._next, fcntl.LOCK_UN)
                return
            time.sleep(_OFTEN)


def _opened(path: Path) -> tuple[int, os.stat_result]:
    fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    return fd, os.fstat(fd)


def _try(fd: int) -> bool:
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
