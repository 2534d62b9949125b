"""Job types that harm the process they run in, and a good one that stands beside them.

A worker of a trial loads this module; what each must come to is said in `tests.chaos.rows.poisons`.
Keeps the ledger of `tests.lab.tasks` for the good ones, so their folder is its `LEDGER` too.
"""

from __future__ import annotations

import ctypes
import os
import re
import resource
import signal
import sys
import threading
import time
from pathlib import Path

import pulpo
from tests.lab.tasks import FOLDER, note

__all__ = ["note"]

PIDS = FOLDER / "forked"
FORKS = 60
FLOOD = 1024 * "a stranger's print() at full length, again and again. "


@pulpo.job(type="poison.segfault")
def segfault() -> None:
    ctypes.string_at(0)


@pulpo.job(type="poison.exit")
def leave(code: int) -> None:
    os._exit(code)


@pulpo.job(type="poison.abort")
def abort() -> None:
    os.abort()


@pulpo.job(type="poison.kill")
def kill() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


@pulpo.job(type="poison.stop", timeout="2s", retries=0)
def stop() -> None:
    """Freeze: the supervisor hears no beat any more."""
    os.kill(os.getpid(), signal.SIGSTOP)


@pulpo.job(type="poison.loop", timeout="1s", retries=0)
def loop() -> None:
    while True:
        pass


@pulpo.job(type="poison.holds", timeout="1s", retries=0)
def holds() -> None:
    """Hold the interpreter for minutes: the regular expression never comes to its end."""
    re.match(r"(a+)+$", "a" * 40 + "b")


@pulpo.job(type="poison.swallows", timeout="1s", retries=0)
def swallows() -> None:
    """Take every time limit for somebody else's."""
    end = time.monotonic() + 60
    while time.monotonic() < end:
        try:
            time.sleep(0.05)
        except BaseException:
            continue


@pulpo.job(type="poison.recursion", retries=0)
def recursion() -> None:
    def deeper(n: int) -> int:
        return deeper(n + 1) + 1

    deeper(0)


@pulpo.job(type="poison.exits", retries=0)
def exits() -> None:
    sys.exit("enough")


class Odd(BaseException):
    """Nobody's Exception."""


@pulpo.job(type="poison.odd", retries=0)
def odd() -> None:
    raise Odd("not an Exception at all")


@pulpo.job(type="poison.closes")
def closes() -> None:
    os.closerange(3, 4096)


@pulpo.job(type="poison.deaf")
def deaf() -> None:
    """Let the whole process ignore SIGTERM, from any thread, and leave a thread behind."""
    ctypes.CDLL(None).signal(int(signal.SIGTERM), ctypes.c_void_p(1))
    threading.Thread(target=time.sleep, args=(60,), daemon=True).start()


@pulpo.job(type="poison.hog", retries=0)
def hog() -> None:
    """Take all the memory that the process may have, to the last kilobyte; its error keeps it."""
    here = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (here + 2**28, resource.RLIM_INFINITY))
    held, size = [], 2**26
    while size >= 2**10:
        try:
            held.append(bytearray(size))
        except MemoryError:
            size //= 2
    time.sleep(0.3)
    raise MemoryError(f"no memory after {len(held)} pieces")


@pulpo.job(type="poison.leaves")
def leaves() -> None:
    """Leave a thread behind that nobody may wait for."""
    threading.Thread(target=time.sleep, args=(600,), daemon=False).start()


@pulpo.job(type="poison.flood")
def flood(megabytes: int) -> None:
    for _ in range(megabytes * 1024 * 1024 // len(FLOOD)):
        sys.stdout.write(FLOOD)


@pulpo.job(type="poison.bomb")
def bomb() -> None:
    """Fork and fork, note who was born, and die."""
    for _ in range(FORKS):
        pid = os.fork()
        if not pid:
            signal.pause()
            os._exit(0)
        fd = os.open(PIDS, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        os.write(fd, b"%d\n" % pid)
        os.close(fd)
    os._exit(9)
