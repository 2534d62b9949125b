"""Worker processes of one run: started with the file of stamps, ended by their own handles."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

__all__ = ["Crew", "running"]

ROOT = Path(__file__).resolve().parent.parent
_STOP_SECONDS = 15


class Crew:
    """The processes that work, and the file into which they talk."""

    def __init__(self, log: Path) -> None:
        self.log = log
        self.processes: list[subprocess.Popen[bytes]] = []

    def failed(self) -> bool:
        """Tell whether one of them has ended with an error."""
        return any(process.poll() not in (None, 0) for process in self.processes)

    def last_words(self) -> str:
        """Return the end of what they said."""
        return self.log.read_text(errors="replace")[-2000:]


@contextmanager
def running(
    commands: Sequence[Sequence[str]],
    log: Path,
    environment: Mapping[str, str],
    *,
    stop: bool = True,
) -> Iterator[Crew]:
    """Run `python -m ...` commands from the repository's root; stop them afterwards.

    Without `stop` they end by themselves, and are waited for.
    """
    crew = Crew(log)
    with log.open("ab") as output:
        try:
            for command in commands:
                crew.processes.append(
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
            for process in crew.processes:
                _end(process, stop=stop)


def _end(process: subprocess.Popen[bytes], *, stop: bool) -> None:
    if stop and process.poll() is None:
        process.send_signal(signal.SIGTERM)
    try:
        process.wait(_STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
