"""A real beanstalkd of a test's own: started, stopped, killed, frozen and started again.

Everything is done by the server's own process id. Knows nothing of pulpo.
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import IO

__all__ = ["Beanstalkd", "find_beanstalkd"]

_PATIENCE = 10.0


def find_beanstalkd() -> str | None:
    """Return the path of the server's program, also where `sbin` is not in the PATH."""
    path = os.pathsep.join([os.environ.get("PATH", ""), "/usr/bin", "/usr/sbin", "/usr/local/bin"])
    return shutil.which("beanstalkd", path=path)


def free_port() -> int:
    """Return a TCP port of the loopback that nobody uses now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Beanstalkd:
    """One beanstalkd server on the loopback, or on a unix socket.

    `binlog` is its folder for `-b` (without one, jobs live in memory), `flags` are further
    arguments, such as `-f0` or `-z 1000`. `environ` is added to its environment (a library to
    preload, a clock), `limits` are options of prlimit(1), as `--nofile=24`. It has the same address
    after a restart. A context manager: started on entering, ended on leaving.
    """

    def __init__(
        self,
        *flags: str,
        binlog: Path | None = None,
        unix: Path | None = None,
        port: int | None = None,
        environ: Mapping[str, str] | None = None,
        limits: tuple[str, ...] = (),
    ) -> None:
        program = find_beanstalkd()
        if program is None:
            raise FileNotFoundError("beanstalkd is not installed")
        self._port = 0 if unix else port or free_port()
        self._unix = unix
        address = ["-l", f"unix:{unix}"] if unix else ["-l", "127.0.0.1", "-p", str(self._port)]
        if binlog is not None:
            binlog.mkdir(parents=True, exist_ok=True)
            address += ["-b", str(binlog)]
        limited = ["prlimit", *limits] if limits else []
        self._command = [*limited, program, *address, *flags]
        self._environ = {**os.environ, **(environ or {})}
        self._process: subprocess.Popen[bytes] | None = None
        self._said: IO[bytes]

    @property
    def url(self) -> str:
        """The server's address, as pulpo takes it."""
        return f"beanstalkd+unix://{self._unix}" if self._unix else f"beanstalkd://{self.host}"

    @property
    def host(self) -> str:
        """Host and port."""
        return f"127.0.0.1:{self._port}"

    @property
    def port(self) -> int:
        """The TCP port; 0 on a unix socket."""
        return self._port

    @property
    def pid(self) -> int:
        """The process id of the running server."""
        assert self._process is not None, "the server does not run"
        return self._process.pid

    def start(self) -> Beanstalkd:
        """Start the server and wait until it answers."""
        assert self._process is None, "the server runs already"
        if self._unix:
            self._unix.unlink(missing_ok=True)
        # A file: a server that complains all the time would stop at a pipe that nobody reads.
        self._said = tempfile.TemporaryFile()  # noqa: SIM115  # closed at its end
        self._process = subprocess.Popen(
            self._command, stdin=subprocess.DEVNULL, stderr=self._said, env=self._environ
        )
        deadline = time.monotonic() + _PATIENCE
        while not self._answers():
            if self._process.poll() is not None or time.monotonic() > deadline:
                self._fail()
            time.sleep(0.005)
        return self

    def stop(self) -> None:
        """End the server as an administrator does; does nothing where it has ended."""
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """End the server without a word."""
        self._end(signal.SIGKILL)

    def restart(self) -> None:
        """Kill the server and start it again, on the same address and binlog."""
        self.kill()
        self.start()

    def freeze(self) -> None:
        """Stop the server in its tracks; its sockets stay open."""
        os.kill(self.pid, signal.SIGSTOP)

    def thaw(self) -> None:
        """Let a frozen server go on."""
        os.kill(self.pid, signal.SIGCONT)

    def drain(self) -> None:
        """Let the server refuse new jobs from now on."""
        os.kill(self.pid, signal.SIGUSR1)

    def _end(self, number: int) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        process.send_signal(number)
        process.send_signal(signal.SIGCONT)  # a frozen server does not see SIGTERM before it thaws
        try:
            process.wait(_PATIENCE)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        self._said.close()

    def _answers(self) -> bool:
        # A reply and not only a connection: the server listens before it has read its binlog. And
        # our server's reply: another one may have the port.
        family = socket.AF_UNIX if self._unix else socket.AF_INET
        with socket.socket(family) as probe:
            probe.settimeout(_PATIENCE)
            try:
                probe.connect(str(self._unix) if self._unix else ("127.0.0.1", self._port))
                probe.sendall(b"stats\r\n")
                return b"pid: %d\n" % self.pid in probe.recv(4096)
            except OSError:
                return False

    def _fail(self) -> None:
        process, self._process = self._process, None
        assert process is not None
        process.kill()
        process.wait()
        self._said.seek(0)
        said = self._said.read(2_000)
        self._said.close()
        raise RuntimeError(f"beanstalkd did not start: {said.decode(errors='replace')!r}")

    def __enter__(self) -> Beanstalkd:
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()
