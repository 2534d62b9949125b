"""Who works in one run: processes, or for a queue in memory a thread of this process.

Processes are ended by their own handles, never by a name.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, redirect_stderr
from pathlib import Path
from typing import Protocol

from bench.family import family_of

__all__ = ["Crew", "run_embedded", "run_processes", "run_thread"]

ROOT = Path(__file__).resolve().parent.parent
_STOP_SECONDS = 15


class Crew(Protocol):
    """Those who work, as the driver that waits for them sees them."""

    def failed(self) -> bool:
        """Tell whether one of them has ended with an error."""
        ...

    def last_words(self) -> str:
        """Return the end of what they said."""
        ...

    def pids(self) -> list[int]:
        """Return their processes, helpers too; none where they are threads of this one."""
        ...


class _Logging:
    def __init__(self, log: Path) -> None:
        self._log = log

    def failed(self) -> bool:
        return False

    def last_words(self) -> str:
        return self._log.read_text(errors="replace")[-2000:]

    def pids(self) -> list[int]:
        return []


class _Processes(_Logging):
    def __init__(self, log: Path) -> None:
        super().__init__(log)
        self.running: list[subprocess.Popen[bytes]] = []

    def failed(self) -> bool:
        return any(process.poll() not in (None, 0) for process in self.running)

    def pids(self) -> list[int]:
        return [pid for process in self.running for pid in family_of(_words(process))]


def _words(process: subprocess.Popen[bytes]) -> list[str]:
    return [str(word) for word in process.args]  # type: ignore[union-attr]


@contextmanager
def run_processes(
    commands: Sequence[Sequence[str]],
    log: Path,
    environment: Mapping[str, str],
    *,
    stop: bool = True,
) -> Iterator[Crew]:
    """Run `python -m ...` commands from the repository's root; stop them afterwards.

    Without `stop` they end by themselves, and are waited for.
    """
    crew = _Processes(log)
    with log.open("ab") as output:
        try:
            for command in commands:
                crew.running.append(
                    subprocess.Popen(
                        [sys.executable, "-m", *command],
                        cwd=ROOT,
                        env={**os.environ, **environment},
                        stdout=output,
                        stderr=output,
                    )
                )
            yield crew
        finally:
            for process in crew.running:
                _end(process, stop=stop)


def _end(process: subprocess.Popen[bytes], *, stop: bool) -> None:
    if stop and process.poll() is None:
        process.send_signal(signal.SIGTERM)
    try:
        process.wait(_STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


class _Thread:
    def __init__(self, work: Callable[[], object]) -> None:
        self._work = work
        self._trace = ""
        self.thread = threading.Thread(target=self._run, name="bench-worker", daemon=True)

    def _run(self) -> None:
        try:
            self._work()
        except Exception:  # noqa: BLE001  # told by the driver, which would wait for ever else
            self._trace = traceback.format_exc()

    def failed(self) -> bool:
        return bool(self._trace)

    def last_words(self) -> str:
        return self._trace

    def pids(self) -> list[int]:
        return []


@contextmanager
def run_thread(work: Callable[[], object], stop: Callable[[], object]) -> Iterator[Crew]:
    """Run `work` in a thread; `stop` lets it return."""
    crew = _Thread(work)
    crew.thread.start()
    try:
        yield crew
    finally:
        stop()
        crew.thread.join(_STOP_SECONDS)


@contextmanager
def run_embedded(start: Callable[[], AbstractContextManager[object]], log: Path) -> Iterator[Crew]:
    """Run what `start` starts in this process; what it says goes into a file, as a process's."""
    with log.open("a", encoding="utf-8") as output:
        with redirect_stderr(output):  # the worker keeps the stream that it finds at its start
            worker = start()
        with worker:
            yield _Logging(log)
