"""A doorbell inside a process: any thread or signal handler rings it, one thread waits for it.

Knows nothing of queues or jobs; the doorbells between processes are the queue file's own.
"""

from __future__ import annotations

import contextlib
import os

from pulpo.descriptors import check_own

__all__ = ["Waker"]


class Waker:
    """A pipe that is readable once somebody has rung.

    A handler may close every descriptor of its process, and the next file gets the number of one
    of ours. So each end is looked at before it is used: no ring goes into a stranger's file, and
    nothing is read from there. A pipe, not sockets or an eventfd: a forked child need not close it,
    and two eventfds cannot be told apart.
    """

    def __init__(self) -> None:
        self._read, self._write = (
            os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC) if hasattr(os, "pipe2") else _plain_pipe()
        )
        self._own_read, self._own_write = os.fstat(self._read), os.fstat(self._write)

    def fileno(self) -> int:
        """The descriptor that is readable once the bell has rung."""
        return self._read

    def ring(self) -> None:
        """Ring; twice is once. Never fails: where it cannot, whoever waits finds that out."""
        with contextlib.suppress(OSError):  # full: it rings already; or closed
            check_own(self._write, self._own_write)
            os.write(self._write, b"\0")

    def silence(self) -> bool:
        """Stop the ringing; True if it rang.

        Raises `OSError` (EBADF) where the descriptor was closed by somebody else.
        """
        check_own(self._read, self._own_read)
        try:
            return bool(os.read(self._read, 4096))
        except BlockingIOError:
            return False

    def close(self) -> None:
        """Take the bell away; twice is once. A stranger's file stays open."""
        ends = (self._read, self._own_read), (self._write, self._own_write)
        self._read = self._write = -1
        for fd, own in ends:
            with contextlib.suppress(OSError):
                check_own(fd, own)
                os.close(fd)


def _plain_pipe() -> tuple[int, int]:
    ends = os.pipe()
    for end in ends:
        os.set_blocking(end, False)
    return ends
