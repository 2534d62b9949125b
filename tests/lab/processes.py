"""Workers and other programs of a test as real processes, ended by their own ids.

Knows the command line, not what is queued.
"""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import IO, Any

__all__ = ["WorkerProcess", "children", "environment", "is_alive", "until", "users_of"]

ROOT = Path(__file__).resolve().parents[2]
PATIENCE = 30.0


def until(
    condition: Callable[[], object], what: str, *, patience: float = PATIENCE, pause: float = 0.01
) -> None:
    """Wait until something is true; fail with `what` where it does not become so."""
    deadline = time.monotonic() + patience
    while not condition():
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {patience:g} s: {what}")
        time.sleep(pause)


def environment(url: str, ledger: Path, **more: str) -> dict[str, str]:
    """Return the environment of a process that works on a queue and keeps a ledger."""
    keep = {k: v for k, v in os.environ.items() if not k.startswith("PULPO")}
    own = {"PULPO_URL": url, "LEDGER": str(ledger), "PYTHONPATH": str(ROOT), "PYTHONUTF8": "1"}
    return {**keep, **own, **more}


def is_alive(pid: int) -> bool:
    """Tell whether a process runs; one that is dead and not yet waited for does not."""
    try:
        return _stat(pid)[0] not in "ZX"
    except (FileNotFoundError, ProcessLookupError):  # gone between the open and the read
        return False


def children(pid: int) -> list[int]:
    """Return the living children of a process, as Linux tells them."""
    found = []
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                state, parent = _stat(int(name))
            except (FileNotFoundError, ProcessLookupError):
                continue
            if parent == pid and state not in "ZX":
                found.append(int(name))
    return sorted(found)


def _leads_a_group(pid: int, supervisor: int) -> bool:
    try:
        return os.getpgid(pid) == pid and os.getsid(pid) == os.getsid(supervisor)
    except ProcessLookupError:
        return False


def users_of(ledger: Path) -> list[int]:
    """Return the living processes that keep this ledger, and whatever those have started."""
    mark = b"\0LEDGER=%s\0" % os.fsencode(ledger)
    found = []
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                environ = Path(f"/proc/{name}/environ").read_bytes()
            except OSError:  # gone, or not ours
                continue
            if mark in b"\0" + environ and is_alive(int(name)):
                found.append(int(name))
    return sorted(found)


def _stat(pid: int) -> tuple[str, int]:
    # After the name, which stands in parentheses and may hold anything.
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return fields[0], int(fields[1])


class WorkerProcess:
    """`python -m pulpo worker`, in a process group of its own; a context manager.

    What it says is JSON lines in a file, since a pipe that nobody reads would stop it.
    """

    def __init__(
        self, folder: Path, arguments: tuple[str, ...], environ: Mapping[str, str], log: Path
    ) -> None:
        self._command = [
            *(sys.executable, "-m", "pulpo", "worker", "--log-format", "json"),
            *arguments,
        ]
        self._folder = folder
        self._environ = environ
        self._path = log
        self._log: IO[bytes] | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._seen: set[int] = set()

    def limited(self, *options: str) -> WorkerProcess:
        """Let it run with limits, by options of prlimit(1), as `--nofile=30`; before its start."""
        self._command = ["prlimit", *options, *self._command]
        return self

    @property
    def pid(self) -> int:
        """The supervisor's process id."""
        assert self._process is not None
        return self._process.pid

    def start(self) -> WorkerProcess:
        """Start it; returns before it is ready."""
        self._log = self._path.open("ab")
        self._process = subprocess.Popen(
            self._command,
            cwd=self._folder,
            env=dict(self._environ),
            stdin=subprocess.DEVNULL,
            stdout=self._log,
            stderr=self._log,
            start_new_session=True,
        )
        return self

    def ready(self) -> WorkerProcess:
        """Wait for its start line."""
        until(lambda: self.said("started") or not self.runs(), f"a start line in {self._path}")
        assert self.runs(), self.text
        return self

    def runs(self) -> bool:
        """Tell whether the supervisor lives."""
        return self._process is not None and self._process.poll() is None

    def children(self) -> list[int]:
        """Return the living worker processes.

        Each leads a group of its own in the supervisor's session; what is forked there to start
        the guardian does not.
        """
        found = [pid for pid in children(self.pid) if _leads_a_group(pid, self.pid)]
        self._seen.update(found)
        return found

    @property
    def text(self) -> str:
        """All that it has said, whole lines."""
        return self._path.read_text().rpartition("\n")[0]

    def said(self, event: str) -> list[dict[str, Any]]:
        """Return its lines of one kind."""
        lines = [json.loads(line) for line in self.text.splitlines() if line.startswith("{")]
        return [line for line in lines if line["event"] == event]

    def send(self, number: int = signal.SIGTERM) -> None:
        """Send a signal to the supervisor alone."""
        os.kill(self.pid, number)

    def strike(self, chosen: random.Random, number: int = signal.SIGKILL) -> bool:
        """Send a signal to one of the worker processes; False where there was none to be hit."""
        there = self.children()
        if not there:
            return False
        try:
            os.kill(chosen.choice(there), number)
        except ProcessLookupError:  # it has ended since
            return False
        return True

    def wait(self, timeout: float = PATIENCE) -> int:
        """Wait for its end; return its exit code."""
        assert self._process is not None
        return self._process.wait(timeout)

    def stop(self, number: int = signal.SIGTERM, timeout: float = PATIENCE) -> int:
        """End it as a service manager does; return its exit code."""
        self.children()
        self.send(number)
        return self.wait(timeout)

    def kill(self) -> list[int]:
        """End the supervisor without a word; return its children, which must follow it."""
        orphans = self.children()
        self.stop(signal.SIGKILL)
        return orphans

    def __enter__(self) -> WorkerProcess:
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self.runs():
            self.kill()
        for pid in self._seen:
            until(lambda pid=pid: not is_alive(pid), f"the end of {pid}")  # type: ignore[misc]
        if self._log is not None:
            self._log.close()
