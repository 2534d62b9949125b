"""What pulpo needs of the operating system: locks that die with their process, wake-ups, killing.

The only file that knows POSIX and its dialects. It knows nothing of queues or jobs.
"""

from __future__ import annotations

import contextlib
import ctypes
import fcntl
import os
import select
import signal
import sys
import weakref
from pathlib import Path
from typing import Protocol

__all__ = ["FileLock", "Lease", "Waker", "abandon_in_children", "die_with_parent", "kill_group"]

_PR_SET_PDEATHSIG = 1


class Lease(Protocol):
    """Something whose open descriptor is a lease: a socket that holds jobs, an owner's lock."""

    def abandon(self) -> None:
        """Close the descriptor in a forked child: plainly, and never to be used again there."""
        ...


# A child that a handler forks would keep these alive after our death, so it closes them first
# thing. Weak: what nobody uses any more has closed its descriptor by itself.
_leases: weakref.WeakSet[Lease] = weakref.WeakSet()


def abandon_in_children(lease: Lease) -> None:
    """Let every child that this process forks from now on abandon the lease at once."""
    _leases.add(lease)


def _abandon_leases() -> None:
    for lease in list(_leases):
        with contextlib.suppress(OSError):
            lease.abandon()
    _leases.clear()


os.register_at_fork(after_in_child=_abandon_leases)


class FileLock:
    """An advisory lock on a file that its process's death sets free, SIGKILL included.

    One thread. The file stays where it is: unlinking it is the owner's business.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._fd = -1

    def acquire(self, *, wait: bool) -> bool:
        """Take the lock; without `wait`, False where somebody has it."""
        fd = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        except BlockingIOError:
            os.close(fd)
            return False
        except BaseException:
            os.close(fd)
            raise
        self._fd = fd
        abandon_in_children(self)
        return True

    def release(self) -> None:
        """Let the lock go; does nothing where it is not held."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    # A plain close: the lock belongs to the parent's open file and stays with it.
    abandon = release

    def is_current(self) -> bool:
        """Tell whether the locked file is still the one at the path, not unlinked or replaced."""
        try:
            here, there = os.fstat(self._fd), self.path.stat()
        except OSError:
            return False
        return (here.st_dev, here.st_ino) == (there.st_dev, there.st_ino)


class Waker:
    """A doorbell: any thread or signal handler rings it, one thread waits for it."""

    def __init__(self) -> None:
        self._read, self._write = (
            os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC) if hasattr(os, "pipe2") else _plain_pipe()
        )

    def fileno(self) -> int:
        """The descriptor that is readable once the bell has rung."""
        return self._read

    def ring(self) -> None:
        """Ring; twice is once."""
        with contextlib.suppress(BlockingIOError, OSError):  # full: it rings already; or closed
            os.write(self._write, b"\0")

    def silence(self) -> bool:
        """Stop the ringing; True if it rang."""
        try:
            return bool(os.read(self._read, 4096))
        except BlockingIOError:
            return False

    def wait(self, timeout: float) -> bool:
        """Wait for the bell, up to so many seconds; True if it rang."""
        ready, _, _ = select.select([self._read], [], [], max(timeout, 0))
        return bool(ready) and self.silence()

    def close(self) -> None:
        """Take the bell away; twice is once."""
        if self._read >= 0:
            os.close(self._read)
            os.close(self._write)
            self._read = self._write = -1


def _plain_pipe() -> tuple[int, int]:
    ends = os.pipe()
    for end in ends:
        os.set_blocking(end, False)
    return ends


def die_with_parent() -> None:
    """Let the kernel kill this process when its parent dies, where it can (Linux, prctl(2))."""
    if sys.platform != "linux":
        return
    libc = ctypes.CDLL(None, use_errno=True)
    libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)


def kill_group(pid: int, number: int) -> None:
    """Send a signal to a process and everything in its group; does nothing if it is gone."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, number)
