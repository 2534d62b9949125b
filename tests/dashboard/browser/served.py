"""`pulpo dashboard` as a process of its own, on a queue; ended by its own id."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from types import TracebackType
from urllib.parse import urlsplit

from tests.lab.processes import environment

__all__ = ["Served"]

_PATIENCE = 20.0


class Served:
    """A context manager; `address` is what it has printed, with the token if it has one of ours."""

    def __init__(self, url: str, folder: Path, *options: str, **environ: str) -> None:
        self._command = [sys.executable, "-m", "pulpo", "dashboard", "--port", "0", *options]
        self._folder = folder
        self._environ = environment(url, folder / "ledger", **environ)
        self._errors = folder / "dashboard.err"
        self.address = ""

    @property
    def root(self) -> str:
        """The address without the token."""
        parts = urlsplit(self.address)
        return f"{parts.scheme}://{parts.netloc}"

    @property
    def port(self) -> int:
        """The port that it listens on."""
        return urlsplit(self.address).port or 0

    @property
    def said(self) -> str:
        """All that it has said on stderr."""
        return self._errors.read_text(encoding="utf-8")

    def stop(self, number: int = signal.SIGTERM) -> int:
        """End it; return its exit code."""
        self._process.send_signal(number)
        return self._process.wait(_PATIENCE)

    def __enter__(self) -> Served:
        with self._errors.open("wb") as errors:
            self._process = subprocess.Popen(
                self._command,
                cwd=self._folder,
                env=self._environ | {"PYTHONUNBUFFERED": ""},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=errors,
            )
        assert self._process.stdout is not None
        self.address = self._process.stdout.readline().decode().strip()
        assert self.address, self.said
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._process.poll() is None:
            os.kill(self._process.pid, signal.SIGKILL)
            self._process.wait()
        assert self._process.stdout is not None
        self._process.stdout.close()
