"""Job types that harm the process they run in; loaded by workers and sandboxes in tests."""

from __future__ import annotations

import asyncio
import ctypes
import os
import re
import signal
import stat
import subprocess
import sys
import threading
import time

import pulpo


@pulpo.job(type="good")
def good(n: int) -> None:
    time.sleep(0.005)


@pulpo.job(type="poison.naps")
def naps(seconds: float) -> None:
    time.sleep(seconds)


@pulpo.job(type="poison.segfault")
def segfault() -> None:
    ctypes.string_at(0)


@pulpo.job(type="poison.exit")
def leave(code: int) -> None:
    os._exit(code)


@pulpo.job(type="poison.kill", backoff=1)
def kill() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


@pulpo.job(type="poison.loop", timeout="1s", retries=0)
def loop() -> None:
    while True:
        pass


@pulpo.job(type="poison.exits")
def exits() -> None:
    sys.exit("enough")


@pulpo.job(type="poison.recursion")
def recursion() -> None:
    def deeper(n: int) -> int:
        return deeper(n + 1) + 1

    deeper(0)


@pulpo.job(type="poison.closes")
def closes() -> None:
    os.closerange(3, 4096)


@pulpo.job(type="poison.squats", backoff=1)
def squats(path: str) -> None:
    """Close everything, and let one file have all those numbers; stay for a beat of the process."""
    os.closerange(3, 4096)
    for _ in range(200):
        os.open(path, os.O_RDWR)
    time.sleep(1.5)


@pulpo.job(type="poison.deaf")
def deaf() -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    threading.Thread(target=time.sleep, args=(60,), daemon=True).start()


@pulpo.job(type="poison.holds")
def holds() -> None:
    """Hold the interpreter for minutes: the regular expression never comes to its end."""
    re.match(r"(a+)+$", "a" * 40 + "b")


@pulpo.job(type="poison.aexit")
async def aleave(code: int) -> None:
    os._exit(code)


@pulpo.job(type="poison.garbles")
def garbles(data: bytes) -> None:
    """Write odd bytes into every socket of the process."""
    for fd in range(3, 256):
        try:
            if stat.S_ISSOCK(os.fstat(fd).st_mode):
                os.write(fd, data)
        except OSError:
            continue


@pulpo.job(type="poison.orphans")
def orphans(note: str) -> None:
    """Leave a process behind, and its number in a file."""
    left = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    with open(note, "w") as file:
        file.write(str(left.pid))
    os._exit(9)


@pulpo.job(type="poison.spawns")
def spawns(note: str, *, deaths: int = 0) -> None:
    """Kill its process so many times; then start a process, tell its number, and stay with it."""
    with open(f"{note}.runs", "a+") as runs:
        runs.write("run\n")
        runs.seek(0)
        if len(runs.readlines()) <= deaths:
            os._exit(9)
    started = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    with open(f"{note}.new", "w") as file:
        file.write(f"{started.pid} {os.getpid()}")
    os.rename(f"{note}.new", note)
    time.sleep(600)


@pulpo.job(type="poison.forks")
def forks(note: str) -> None:
    """Die, and leave a forked child that holds all that this process had open."""
    pid = os.fork()
    if not pid:
        signal.pause()
    with open(note, "w") as file:
        file.write(str(pid))
    os._exit(9)


@pulpo.job(type="poison.grips", timeout="2s", retries=0)
def grips() -> None:
    """Hold the interpreter beyond its time limit."""
    re.match(r"(a+)+$", "a" * 40 + "b")


@pulpo.job(type="poison.clings", timeout="1s", retries=0)
async def clings() -> None:
    """Swallow every cancellation."""
    while True:
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            continue


@pulpo.job(type="poison.asleep", timeout="1s", retries=0)
async def asleep() -> None:
    """Hold the event loop."""
    time.sleep(600)  # noqa: ASYNC251


@pulpo.job(type="poison.stubborn", timeout="1s", retries=0)
def stubborn() -> None:
    """Swallow the end of its time."""
    while True:
        try:
            time.sleep(0.1)
        except pulpo.JobTimeoutError:
            continue


@pulpo.job(type="poison.anaps")
async def anaps(seconds: float) -> None:
    await asyncio.sleep(seconds)
