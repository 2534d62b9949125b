"""One peer on its private server: publish with its producer, start its workers, kill them.

Its processes are told from all others by their parents, and ended by their ids.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from bench.crew import ROOT
from bench.family import cpu_seconds, pss_mb
from bench.jobs import MARKS
from bench.marks import Marks
from bench.peers.field import Command, Peer

__all__ = ["Stage", "Team"]

_PUBLISH_SECONDS = 300
_STOP_SECONDS = 5


class Team:
    """The running workers of a peer, whatever it needs besides them included."""

    def __init__(self, processes: Sequence[subprocess.Popen[bytes]], log: Path) -> None:
        self._processes = processes
        self._log = log

    def failed(self) -> bool:
        return all(process.poll() is not None for process in self._processes)

    def last_words(self) -> str:
        return self._log.read_text(errors="replace")[-2000:]

    def pids(self) -> list[int]:
        """Return all processes: those that were started, then their descendants."""
        children: dict[int, list[int]] = {}
        for entry in Path("/proc").iterdir():
            with suppress(OSError, ValueError):
                pid = int(entry.name)
                parent = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
                children.setdefault(parent, []).append(pid)
        found = [process.pid for process in self._processes if process.poll() is None]
        for pid in found:  # grows while it is walked
            found += children.get(pid, [])
        return found

    def kill(self) -> None:
        """Kill all of them at once: nobody has time to say goodbye or to start another one."""
        pids = self.pids()
        for number in (signal.SIGSTOP, signal.SIGKILL):
            for pid in pids:
                with suppress(ProcessLookupError):
                    os.kill(pid, number)
        for process in self._processes:
            process.wait()

    def stop(self) -> None:
        for process in self._processes:
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
        end = time.monotonic() + _STOP_SECONDS
        for process in self._processes:
            with suppress(subprocess.TimeoutExpired):
                process.wait(max(0.1, end - time.monotonic()))
        self.kill()

    def memory_mb(self) -> float:
        return pss_mb(self.pids())

    def cpu(self) -> float:
        return cpu_seconds(self.pids())


class Stage:
    """A peer, its interpreter, its server's URL and a folder; `tuned` or as it comes."""

    def __init__(
        self, peer: Peer, *, python: Path, url: str, folder: Path, tuned: bool = True
    ) -> None:
        self._peer = peer
        self._python = python
        self._url = url
        self._folder = folder
        self._marks = folder / "marks"
        self._environment = {
            **os.environ,
            "PATH": f"{python.parent}{os.pathsep}{os.environ['PATH']}",
            "PYTHONPATH": str(ROOT),
            "PEER_URL": url,
            "PEER_FOLDER": str(folder),
            "PEER_VARIANT": peer.variant,
            "PEER_TUNED": "1" if tuned else "",
            MARKS: str(self._marks),
            **(peer.environment if tuned else {}),
        }
        if not peer.packages:
            self._environment["PULPO_URL"] = url

    def marks(self, n: int) -> Marks:
        """Return stamps of `n` jobs, none of which has run."""
        return Marks.create(self._marks, n)

    def produce(
        self, how: str, kind: str = "noop", first: int = 0, n: int = 0
    ) -> dict[str, object]:
        """Run the peer's producer; returns what it printed."""
        words = [self._peer.module, how, kind, str(first), str(n)]
        done = subprocess.run(
            [str(self._python), "-m", "bench.peers.produce", *words],
            cwd=self._folder,
            env=self._environment,
            capture_output=True,
            text=True,
            timeout=_PUBLISH_SECONDS,
            check=False,
        )
        if done.returncode:
            raise RuntimeError(f"{' '.join(words)} has failed:\n{done.stderr[-2000:]}")
        found: dict[str, object] = json.loads(done.stdout.splitlines()[-1])
        return found

    @contextmanager
    def workers(self, commands: Sequence[Command]) -> Iterator[Team]:
        """Start workers; what is left of them afterwards is killed."""
        log = self._folder / "worker.log"
        team = Team([self._start(command, log) for command in commands], log)
        try:
            yield team
        finally:
            team.stop()

    def _start(self, command: Command, log: Path) -> subprocess.Popen[bytes]:
        program, *words = [word.format(url=self._url) for word in command]
        path = self._python if program == "python" else self._python.parent / program
        with log.open("ab") as output:
            return subprocess.Popen(
                [str(path), *words],
                cwd=self._folder,
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
