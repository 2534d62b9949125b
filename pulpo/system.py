"""What pulpo needs of the operating system: locks that die with their process, waiting, killing.

The only file that knows POSIX and its dialects. It knows nothing of queues or jobs.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import mmap
import os
import resource
import select
import signal
import struct
import sys
import threading
import time
import weakref
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

__all__ = [
    "FileLock",
    "Lease",
    "PresenceLock",
    "RangeHold",
    "SharedMoment",
    "abandon_in_children",
    "die_with_parent",
    "hold_still_at_forks",
    "is_locked",
    "keep_for_ever",
    "kill_group",
    "open_standard_streams",
    "resident_bytes",
    "wait_any",
]

_PR_SET_PDEATHSIG = 1
_MOMENT = struct.Struct("d")


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


class ForkShy(Protocol):
    """Something that a fork must not find at work: what the child inherits would be half done."""

    def before_fork(self) -> None:
        """Wait until nobody uses it, and keep it so; never raises."""
        ...

    def after_fork(self) -> None:
        """Let it be used again, in the parent and in the child."""
        ...


_fork_shy: weakref.WeakValueDictionary[int, ForkShy] = weakref.WeakValueDictionary()
_forking = threading.local()


def hold_still_at_forks(thing: ForkShy) -> None:
    """Let every fork of this process wait until this thing is at rest."""
    _fork_shy[id(thing)] = thing


def _hold_still() -> None:
    things = [thing for ref in _fork_shy.valuerefs() if (thing := ref()) is not None]
    # In one order, or two threads that fork at once would wait for each other.
    _forking.held = sorted(things, key=id)
    for thing in _forking.held:
        thing.before_fork()


def _go_on() -> None:
    for thing in _forking.__dict__.pop("held", ()):
        thing.after_fork()


os.register_at_fork(before=_hold_still, after_in_parent=_go_on, after_in_child=_go_on)


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


def is_locked(path: Path) -> bool:
    """Tell whether somebody holds the `FileLock` at this path; False where there is no file."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
    except FileNotFoundError:
        return False
    try:
        # Shared: two that ask at the same time must not take each other for the holder.
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(fd)
    return False


class PresenceLock:
    """A lock that many processes have at once, and that tells one of them whether it is alone.

    SIGKILL sets it free. One thread at a time.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._fd = -1

    def enter(self) -> None:
        """Be there; waits while somebody who is alone makes use of that. Raises `OSError`."""
        fd = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        try:
            fcntl.flock(fd, fcntl.LOCK_SH)
        except BaseException:
            os.close(fd)
            raise
        self._fd = fd
        abandon_in_children(self)

    def is_last(self) -> bool:
        """Tell whether nobody else is there; if so, nobody enters before `leave`."""
        try:
            fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            fcntl.flock(self._fd, fcntl.LOCK_SH)  # what could not be raised is lost: flock(2)
            return False
        return True

    def leave(self) -> None:
        """Be there no more; does nothing where it is not."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    # A plain close: the presence is the parent's, by the open file that both share.
    abandon = leave


class RangeHold:
    """A lock for reading on some bytes of a file, which no close elsewhere in this process drops.

    POSIX locks belong to the process, and go with any descriptor of the file that it closes; this
    one belongs to its own open file, and conflicts with them all the same (Linux, fcntl(2), "Open
    file description locks"). Where there are none it holds nothing. One thread at a time.
    """

    def __init__(self, path: Path, start: int, length: int) -> None:
        self._path = path
        self._range = start, length
        self._fd = -1

    def take(self, *, patience: float) -> None:
        """Hold it; once is enough. Raises `OSError`.

        `BlockingIOError`, if somebody has it for himself alone for longer than `patience` seconds.
        """
        if not sys.platform.startswith("linux"):
            return  # others have other structures, or none of it
        if self._fd >= 0 and not self._is_current():
            self.close()
            self._fd = -1
        if self._fd < 0:
            try:
                self._fd = os.open(self._path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
            except FileNotFoundError:
                return
            abandon_in_children(self)
        end = time.monotonic() + patience
        while True:
            try:
                self._lock(fcntl.F_OFD_SETLK, fcntl.F_RDLCK)
            except BlockingIOError:
                if time.monotonic() > end:
                    raise
            else:
                return
            time.sleep(0.005)

    def give(self) -> None:
        """Hold it no more; the file stays open, since to close it drops locks as well."""
        if self._fd >= 0:
            self._lock(fcntl.F_OFD_SETLK, fcntl.F_UNLCK)

    def close(self) -> None:
        """Close the file, unless somebody has a lock there: it may be something of this process."""
        if self._fd >= 0 and self._lock(fcntl.F_OFD_GETLK, fcntl.F_WRLCK) == fcntl.F_UNLCK:
            self.abandon()

    def abandon(self) -> None:
        """In a forked child, which has no locks yet: let go of what its parent holds."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def _is_current(self) -> bool:
        try:
            here, there = os.fstat(self._fd), self._path.stat()
        except FileNotFoundError:
            return False
        return os.path.samestat(here, there)

    def _lock(self, command: int, kind: int) -> int:
        # struct flock; one lock of this kind must not name a process.
        asked = struct.pack("hhqqi0q", kind, os.SEEK_SET, *self._range, 0)
        try:
            answer = fcntl.fcntl(self._fd, command, asked)
        except OSError as error:
            if error.errno != errno.EINVAL:  # a file system that knows none, and tells of none
                raise
            answer = asked
        found: int = struct.unpack_from("h", answer)[0]
        return found


def seconds_asleep() -> float:
    """Return how long this machine was suspended since its start; 0.0 where nobody counts that."""
    if not hasattr(time, "CLOCK_BOOTTIME"):
        return 0.0
    return time.clock_gettime(time.CLOCK_BOOTTIME) - time.monotonic()


def wait_any(fds: Sequence[int], timeout: float) -> tuple[set[int], float]:
    """Wait until one of the descriptors is readable; return which are, and the seconds it took."""
    start = time.monotonic()
    poll = select.poll()  # not select(2): descriptors may be beyond 1023
    for fd in fds:
        poll.register(fd, select.POLLIN)
    ready = poll.poll(max(timeout, 0) * 1000)
    return {fd for fd, _ in ready}, time.monotonic() - start


def keep_for_ever(thing: object) -> None:
    """Never let this object be collected, not at exit either.

    For what a forked child inherits and must not close: a SQLite connection, whose end would
    drop its parent's locks (https://sqlite.org/howtocorrupt.html, 2.6).
    """
    import ctypes  # noqa: PLC0415  # costs every producer two milliseconds

    ctypes.pythonapi.Py_IncRef(ctypes.py_object(thing))


def die_with_parent() -> None:
    """Let the kernel kill this process when its parent dies, where it can (Linux, prctl(2))."""
    if sys.platform != "linux":
        return
    import ctypes  # noqa: PLC0415  # as above

    libc = ctypes.CDLL(None, use_errno=True)
    libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)


def kill_group(pid: int, number: int) -> None:
    """Send a signal to a process and everything in its group; does nothing if it is gone."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, number)


def open_standard_streams() -> None:
    """Open what is closed of the descriptors 0, 1 and 2, to nowhere.

    Else the next file or socket gets such a number, and whatever is printed goes there.
    """
    for fd, name, mode in ((0, "stdin", "r"), (1, "stdout", "w"), (2, "stderr", "w")):
        try:
            os.fstat(fd)
        except OSError:
            nowhere = os.open(os.devnull, os.O_RDWR)
            os.dup2(nowhere, fd)
            if nowhere != fd:
                os.close(nowhere)
        if getattr(sys, name) is None:
            setattr(sys, name, os.fdopen(fd, mode, closefd=False))


def resident_bytes() -> int:
    """Return how much memory this process uses, in bytes: now, or where nobody tells, at most."""
    try:
        return int(Path("/proc/self/statm").read_bytes().split()[1]) * mmap.PAGESIZE
    except OSError:
        most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return most if sys.platform == "darwin" else most * 1024


class SharedMoment:
    """A monotonic second that a process and those it forks see alike; one of them sets it."""

    def __init__(self) -> None:
        self._memory = mmap.mmap(-1, _MOMENT.size)
        self.set(-1e9)

    def set(self, moment: float) -> None:
        """Let everybody see this second."""
        _MOMENT.pack_into(self._memory, 0, moment)

    def get(self) -> float:
        """Return the second that was set last."""
        moment: float = _MOMENT.unpack_from(self._memory, 0)[0]
        return moment
