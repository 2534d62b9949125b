"""A queue and a folder for one example, and the commands that a person would type."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
PATIENCE = 40.0  # seconds; nothing here takes more than a few, on a machine that is not busy


class Stage:
    """Where one example runs: a queue's URL and the folder that its files go to."""

    def __init__(self, url: str, folder: Path) -> None:
        self.url = url
        self.folder = folder
        self.environment = {
            **os.environ,
            "PULPO_URL": url,
            "EXAMPLES_OUT": str(folder),
            "PYTHONUNBUFFERED": "1",
        }

    def command(self, *words: str, cwd: Path = ROOT) -> str:
        """Run a command to its end; return what it wrote to stdout."""
        done = subprocess.run(
            words, cwd=cwd, env=self.environment, capture_output=True, text=True, timeout=PATIENCE
        )
        assert done.returncode == 0, f"{words} ended with {done.returncode}:\n{done.stderr}"
        return done.stdout

    def python(self, *words: str, cwd: Path = ROOT) -> str:
        """Run `python -m …`."""
        return self.command(sys.executable, "-m", *words, cwd=cwd)

    def burst(self, module: str, *options: str) -> None:
        """Let a worker run what is ready."""
        self.python("pulpo", "worker", module, "--burst", "--processes", "1", *options)

    @contextlib.contextmanager
    def running(self, *words: str, cwd: Path = ROOT) -> Iterator[subprocess.Popen[bytes]]:
        """Keep `python -m …` running; end it by SIGTERM, and expect it to end well."""
        with (self.folder / f"log-{time.monotonic_ns()}.txt").open("w+") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", *words], cwd=cwd, env=self.environment, stderr=log
            )
            try:
                yield process
                assert process.poll() is None, log.seek(0) or log.read()
            finally:
                process.send_signal(signal.SIGTERM)
                with contextlib.suppress(subprocess.TimeoutExpired):
                    process.wait(PATIENCE)
                process.kill()  # does nothing to one that has ended
                process.wait()

    def counts(self, queue: str) -> dict[str, int]:
        """How many jobs are in which state."""
        found = json.loads(self.python("pulpo", "stats", queue, "--json"))["queues"][queue]
        return {name: found[name] for name in ("ready", "delayed", "reserved", "buried")}

    def wait_for(self, queue: str, *, delayed: int = 0, buried: int = 0) -> None:
        """Wait until nothing else is left in a queue."""
        expected = {"ready": 0, "delayed": delayed, "reserved": 0, "buried": buried}
        deadline = time.monotonic() + PATIENCE
        while (found := self.counts(queue)) != expected:
            assert time.monotonic() < deadline, f"{queue} holds {found}, not {expected}"
            time.sleep(0.1)

    def jobs(self, queue: str) -> list[dict[str, object]]:
        """The jobs that are left in a queue, as `pulpo jobs list` shows them."""
        lines = self.python("pulpo", "jobs", "list", "-q", queue, "--json").splitlines()
        return [json.loads(line) for line in lines]

    def rows(self, database: str, query: str) -> list[tuple[Any, ...]]:
        """Ask a database that an example made."""
        with contextlib.closing(sqlite3.connect(self.folder / database)) as db:
            return db.execute(query).fetchall()


@pytest.fixture
def stage(tmp_path: Path) -> Stage:
    """A file queue of its own."""
    return Stage(f"sqlite:///{tmp_path}/queue.db", tmp_path)
