"""The guardian: a tiny process that ends what a killed supervisor leaves behind.

The kernel ends a worker's own processes with their supervisor, but not what handlers have started
in them. The guardian waits on a socket; at its end, whatever the reason, it kills every process
group in the worker's table. It runs no user code, opens no queue, writes nowhere, and is nobody's
child, so that a supervisor's children are the worker processes and nothing else.
"""

from __future__ import annotations

import os
import select
import signal
import socket
import time
from contextlib import suppress

from pulpo.worker.groups import Groups

__all__ = ["Guardian"]

# Seconds between its rounds: a dying process may just have started another one.
_ROUNDS = (0.05, 0.2, 0.5)
_ALL_IS_WELL = b"."
# How long to wait for its end once it was dismissed, in seconds.
_PATIENCE = 1.0


class Guardian:
    """The supervisor's end; a process without other threads owns it."""

    def __init__(self, groups: Groups) -> None:
        self._groups = groups
        self._sock: socket.socket | None = None

    def start(self) -> None:
        """Start the process; raises `OSError` where there is no room for another one."""
        ours, theirs = socket.socketpair()
        # None of the supervisor's handlers may run there, nor may anything else end it.
        before = signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
        try:
            pid = os.fork()
            if not pid:
                _be_guardian(theirs.fileno(), self._groups)
            os.waitpid(pid, 0)
            self._sock = ours
        except OSError:
            ours.close()
            raise
        finally:
            theirs.close()
            signal.pthread_sigmask(signal.SIG_SETMASK, before)

    def fileno(self) -> int:
        """The descriptor that becomes readable when the process has died; -1 if there is none."""
        return -1 if self._sock is None else self._sock.fileno()

    def lives(self) -> bool:
        """Tell whether it is there, and forget it if it is not."""
        if self._sock is None:
            return False
        try:
            self._sock.setblocking(False)
            dead = self._sock.recv(1) == b""
        except BlockingIOError:
            return True
        except OSError:
            dead = True
        if dead:
            self.forget()
        return not dead

    def forget(self) -> None:
        """Close our end; in a forked process this says nothing to the guardian."""
        if self._sock is not None:
            self._sock.close()
            self._sock = None

    def dismiss(self) -> None:
        """Let it end without doing anything, and wait for that."""
        if self._sock is None:
            return
        with suppress(OSError):
            self._sock.setblocking(True)
            self._sock.send(_ALL_IS_WELL)
            select.select([self._sock], [], [], _PATIENCE)
        self.forget()


def _be_guardian(fd: int, groups: Groups) -> None:
    """Be the process between supervisor and guardian, then the guardian; never returns."""
    try:
        os.setsid()  # no terminal and nobody's group reaches it
        if os.fork():
            os._exit(0)
        fd = _close_all_but(fd)
        if _wait(fd) == _ALL_IS_WELL:
            os._exit(0)
        for pause in _ROUNDS:
            groups.kill()
            time.sleep(pause)
        groups.kill()
    finally:
        os._exit(0)


def _close_all_but(fd: int) -> int:
    """Let go of everything inherited: whoever waits for the end of a pipe waits for us too."""
    os.chdir("/")
    kept = 3
    if fd != kept:
        os.dup2(fd, kept, inheritable=False)
    nowhere = os.open(os.devnull, os.O_RDWR)
    for number in range(3):
        os.dup2(nowhere, number)
    os.closerange(kept + 1, os.sysconf("SC_OPEN_MAX"))
    return kept


def _wait(fd: int) -> bytes:
    try:
        return os.read(fd, 1)
    except OSError:  # a socket that was cut is at its end as well
        return b""
