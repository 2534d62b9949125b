"""How a publisher wakes the workers that wait: a flag each says who waits, a FIFO each wakes it.

Only hints: what they say may be late or wrong, nobody loses more than the slow poll's second.
Knows queues by name, nothing of jobs or SQLite.

The file `bells` holds a byte for each slot (0 nobody waits, 1 somebody waits for the queues
listed, 2 for any queue), then for each slot the hashes of the queues it waits for. Whoever waits
raises its flag first and looks for jobs then; whoever publishes commits first and reads the flags
then: so one of the two always sees the other. A publisher lowers the flag of whom it rings,
under the lock of the writers, so that two jobs ring at two doors.
"""

from __future__ import annotations

import contextlib
import errno
import os
import re
from collections.abc import Sequence
from functools import lru_cache
from hashlib import blake2b
from pathlib import Path

from pulpo.descriptors import write_own
from pulpo.system import abandon_in_children

__all__ = ["SLOTS", "Doorbell", "Doorbells", "Ready"]

SLOTS = 1_024
_FIFO = "bell-"
_HASH = 8
_QUEUES = 15
_LIST = _HASH * _QUEUES
_NOBODY, _THESE, _ANY = b"\0", b"\1", b"\2"
_RAISED = re.compile(rb"[^\0]")

# How many jobs of which queue are ready.
Ready = dict[str, int]


class Doorbells:
    """All doorbells of a queue, as a publisher sees them; one thread."""

    def __init__(self, side: Path) -> None:
        self._prefix = str(side / _FIFO)
        self._fd = _open_bells(side)
        self._own = os.fstat(self._fd)
        abandon_in_children(self)

    def ring(self, ready: Ready) -> None:
        """Wake as many of those that wait as there are jobs for them; never fails."""
        try:
            flags = os.pread(self._fd, SLOTS, 0)
            if flags.strip(_NOBODY):
                self._ring_some(flags, ready)
        except OSError:  # the jobs are in the file, and the slow poll finds them
            return

    def close(self) -> None:
        """Let go; twice is once."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    abandon = close

    def _ring_some(self, flags: bytes, ready: Ready) -> None:
        wanted = {_hash(queue): count for queue, count in ready.items() if count > 0}
        for raised in _RAISED.finditer(flags):
            if wanted:
                self._ring_if_wanted(raised.start(), raised[0], wanted)

    def _ring_if_wanted(self, slot: int, flag: bytes, wanted: dict[bytes, int]) -> None:
        if flag == _ANY:
            self._ring(slot)  # whether it takes one of ours nobody knows: ring others as well
            return
        listed = os.pread(self._fd, _LIST, SLOTS + slot * _LIST)
        for start in range(0, len(listed), _HASH):
            queue = listed[start : start + _HASH]
            if queue in wanted:
                if self._ring(slot):
                    wanted[queue] -= 1
                    if not wanted[queue]:
                        del wanted[queue]
                return

    def _ring(self, slot: int) -> bool:
        write_own(self._fd, self._own, _NOBODY, slot)
        try:
            fd = os.open(f"{self._prefix}{slot}", os.O_WRONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        except OSError:  # ENXIO: nobody reads there any more; ENOENT: never did
            return False
        try:
            os.write(fd, b"\0")
        except OSError as error:
            return error.errno == errno.EAGAIN  # full: it rings already
        finally:
            os.close(fd)
        return True


class Doorbell:
    """The doorbell of one that waits; one thread."""

    def __init__(self, side: Path, slot: int) -> None:
        self._side = side
        self._slot = slot
        self._queues: tuple[str, ...] | None = None
        self._flag = _NOBODY
        path = _fifo(side, slot)
        with contextlib.suppress(FileNotFoundError):
            path.unlink()
        os.mkfifo(path, 0o600)
        # For reading and writing: with no writer left a FIFO would be readable for ever.
        self._fifo = os.open(path, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            self._fd = _open_bells(side)
        except OSError:
            os.close(self._fifo)
            raise
        self._own = os.fstat(self._fd)
        os.pwrite(self._fd, _NOBODY, slot)  # what a dead one may have left there
        abandon_in_children(self)

    def fileno(self) -> int:
        """The descriptor that is readable once somebody has rung."""
        return self._fifo

    def listen(self, queues: Sequence[str]) -> None:
        """Forget earlier rings and say that we wait for these queues; look for jobs after this."""
        self.silence()
        names = tuple(queues)
        if names != self._queues:
            listed = b"".join(map(_hash, names[:_QUEUES])).ljust(_LIST, b"\0")
            write_own(self._fd, self._own, listed, SLOTS + self._slot * _LIST)
            self._queues = names
            self._flag = _THESE if len(names) <= _QUEUES else _ANY
        write_own(self._fd, self._own, self._flag, self._slot)

    def silence(self) -> bool:
        """Stop the ringing; True if it rang."""
        try:
            return bool(os.read(self._fifo, 4096))
        except BlockingIOError:
            return False

    def leave(self) -> bool:
        """Say that we wait no more; True if somebody has rung meanwhile."""
        write_own(self._fd, self._own, _NOBODY, self._slot)
        return self.silence()

    def close(self) -> None:
        """Take the doorbell away; twice is once."""
        if self._fd >= 0:
            self.leave()
            with contextlib.suppress(OSError):
                _fifo(self._side, self._slot).unlink()
            self.abandon()

    def abandon(self) -> None:
        """Close what a forked child has inherited."""
        if self._fd >= 0:
            os.close(self._fd)
            os.close(self._fifo)
            self._fd = self._fifo = -1


def _open_bells(side: Path) -> int:
    flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
    return os.open(side / "bells", flags, 0o600)


def _fifo(side: Path, slot: int) -> Path:
    return side / f"{_FIFO}{slot}"


@lru_cache(maxsize=4_096)
def _hash(queue: str) -> bytes:
    return blake2b(queue.encode("ascii"), digest_size=_HASH).digest()
