"""A beanstalkd for one test: started on a free port, without a binlog, and ended with it.

Everything is done by the server's own process id. Knows nothing of jobs.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
import time
from typing import IO, TYPE_CHECKING

if TYPE_CHECKING:
    from typing import Self

__all__ = ["NO_BEANSTALKD", "PrivateBeanstalkd", "find_beanstalkd"]

NO_BEANSTALKD = "beanstalkd is not installed (Debian and Ubuntu: apt-get install beanstalkd)"
# So long a server may take to answer, or to end, in seconds.
_PATIENCE = 10.0
# Another program may take the free port first.
_TRIES = 3


def find_beanstalkd() -> str | None:
    """Return the path of the program, also where `sbin` is not in the PATH; None without it."""
    path = os.pathsep.join([os.environ.get("PATH", ""), "/usr/bin", "/usr/sbin", "/usr/local/bin"])
    return shutil.which("beanstalkd", path=path)


class PrivateBeanstalkd:
    """A beanstalkd on the loopback; a context manager. One thread starts and ends it."""

    def __init__(self, program: str) -> None:
        self._program = program
        self._process: subprocess.Popen[bytes] | None = None
        self._said: IO[bytes] | None = None
        #: The port that it listens at; 0 where it does not run.
        self.port = 0

    @property
    def url(self) -> str:
        """Its URL, as pulpo takes it."""
        return f"beanstalkd://127.0.0.1:{self.port}"

    def start(self) -> Self:
        """Start it and wait until it answers; raises `RuntimeError` with what it said if not."""
        try:
            for _ in range(_TRIES):
                if self._begins(_free_port()):
                    return self
        except BaseException:
            self.stop()
            raise
        raise RuntimeError(f"{self._program} does not start: {self._last_words()!r}")

    def stop(self) -> None:
        """End it; does nothing where it does not run."""
        process, self._process, self.port = self._process, None, 0
        if process is not None:
            process.terminate()
            try:
                process.wait(_PATIENCE)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        if self._said is not None:
            self._said.close()
            self._said = None

    def _begins(self, port: int) -> bool:
        self.stop()
        # A file: at a pipe that nobody reads, a server that complains all the time would stop.
        self._said = tempfile.TemporaryFile()  # noqa: SIM115  # closed in stop
        self._process = subprocess.Popen(
            [self._program, "-l", "127.0.0.1", "-p", str(port)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=self._said,
        )
        end = time.monotonic() + _PATIENCE
        while self._process.poll() is None and time.monotonic() < end:
            if self._answers(self._process.pid, port):
                self.port = port
                return True
            time.sleep(0.002)
        return False

    def _answers(self, pid: int, port: int) -> bool:
        # Its own reply, by its process id: another server may have taken the port.
        try:
            with socket.create_connection(("127.0.0.1", port), _PATIENCE) as probe:
                probe.sendall(b"stats\r\n")
                return b"pid: %d\n" % pid in probe.recv(4_096)
        except OSError:
            return False

    def _last_words(self) -> str:
        if self._said is None:
            return ""
        self._said.seek(0)
        said = self._said.read(2_000).decode(errors="replace")
        self.stop()
        return said

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
