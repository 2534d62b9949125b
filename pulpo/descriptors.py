"""Using a file of our own that somebody else may have closed behind our back.

A handler can close every descriptor of its process. The next file that is opened then gets the
number of one of ours, and what was meant for a lock file would go into the queue itself. Knows
files and their numbers only.
"""

from __future__ import annotations

import errno
import os

__all__ = ["check_own", "write_own"]


def check_own(fd: int, own: os.stat_result) -> None:
    """Raise `OSError` (EBADF) unless `fd` is still the file that was `own` when it was opened."""
    found = os.fstat(fd)
    if found.st_ino != own.st_ino or found.st_dev != own.st_dev:
        raise OSError(errno.EBADF, "a descriptor of pulpo was closed by somebody else")


def write_own(fd: int, own: os.stat_result, data: bytes, at: int) -> None:
    """Write at a place of the file that was `own` when it was opened as `fd`.

    Raises `OSError` (EBADF), with nothing written, where the number is another file's by now.
    """
    check_own(fd, own)
    os.pwrite(fd, data, at)
