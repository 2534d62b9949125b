"""What a worker process tells its supervisor through a pipe: it lives, is ready, or cannot load.

One JSON object a line. The pipe is a lease in both directions: a process whose supervisor is gone
gets a broken pipe at its next beat.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Callable, Mapping

from pulpo.descriptors import check_own

__all__ = ["Reporter", "Reports"]

BEAT_EVERY = 1.0
_BEAT = b"{}\n"


class Reporter:
    """The writing end, in the worker process; the loop thread's.

    With each beat it tells `facts`, which is asked at most every so many seconds.
    """

    def __init__(self, fd: int) -> None:
        self._fd = fd
        self._own = os.fstat(fd)
        self._next = 0.0
        self._rest = b""
        self.every = BEAT_EVERY
        self.facts: Callable[[], Mapping[str, object]] = dict

    def beat(self, now: float) -> None:
        """Say that the loop is alive, at most once a second; `now` is monotonic.

        Raises `BrokenPipeError` when the supervisor is gone, `OSError` (EBADF) where a handler
        has closed the pipe: a beat goes into no file that was given its number.
        """
        if now >= self._next:
            self._next = now + self.every
            # What did not fit last time goes first, or nobody could read the lines.
            self._rest = self._rest or _line(self.facts())
            # A full pipe means a supervisor that does not read: its business, not the loop's.
            with contextlib.suppress(BlockingIOError):
                check_own(self._fd, self._own)
                self._rest = self._rest[os.write(self._fd, self._rest) :]
            if self._rest == _BEAT:
                self._rest = b""  # the next one says as much

    def tell(self, **facts: object) -> None:
        """Send facts, waiting until all of them have found room in the pipe."""
        data, self._rest = self._rest + _line(facts), b""
        check_own(self._fd, self._own)
        os.set_blocking(self._fd, True)
        while data:
            data = data[os.write(self._fd, data) :]
        os.set_blocking(self._fd, False)


def _line(facts: Mapping[str, object]) -> bytes:
    return json.dumps(facts).encode() + b"\n"


class Reports:
    """The reading end, in the supervisor."""

    def __init__(self, fd: int) -> None:
        self.fd = fd
        self._buffer = b""

    def read(self) -> list[dict[str, object]]:
        """Return what was told since; empty objects are beats."""
        with contextlib.suppress(BlockingIOError):
            self._buffer += os.read(self.fd, 65_536)
        *lines, self._buffer = self._buffer.split(b"\n")
        return [json.loads(line) for line in lines]

    def close(self) -> None:
        """Close the reading end."""
        os.close(self.fd)
