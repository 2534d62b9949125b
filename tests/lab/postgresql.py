"""A real PostgreSQL of a test's own: a private cluster, started, stopped, killed and promoted.

It runs as an unprivileged user, listens on the loopback only, and ends with its test. A server that
runs on this machine already is neither used nor touched. Knows nothing of pulpo.
"""

from __future__ import annotations

import atexit
import os
import pwd
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import cache
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

from tests.lab.beanstalkd import free_port
from tests.lab.processes import children, is_alive, until

if TYPE_CHECKING:
    import psycopg

__all__ = [
    "PostgreSQL",
    "as_user",
    "emptied",
    "end_session",
    "find_postgresql",
    "shared_postgresql",
]

_DEBIAN = Path("/usr/lib/postgresql")
_PATIENCE = 30.0
# What a killed server has to do anew may take long on a busy machine.
_RECOVERY = 120.0
# PostgreSQL refuses to be root.
_UNPRIVILEGED = ("postgres", "nobody")


def find_postgresql() -> Path | None:
    """Return the folder of the newest server's programs; Debian keeps them out of the path.

    PULPO_POSTGRESQL names the folder of another one.
    """
    if given := os.environ.get("PULPO_POSTGRESQL"):
        return Path(given)
    found = sorted(_DEBIAN.glob("*/bin/postgres"), key=lambda path: _version(path.parent.parent))
    if found:
        return found[-1].parent
    program = shutil.which("postgres")
    return Path(program).resolve().parent if program else None


def _version(folder: Path) -> float:
    return float(folder.name) if re.fullmatch(r"\d+(\.\d+)?", folder.name) else 0.0


class PostgreSQL:
    """One PostgreSQL server with a data folder of its own.

    `settings` are added to its configuration; without `synced` it does not fsync, which no test
    but those of power cuts can see. `programs` is another folder than the newest one. `standby_of`
    makes it a streaming standby of a running server, which knows it by its `cluster_name`. It has
    the same address after a restart; all that it writes is below `home`. A context manager:
    started on entering, ended on leaving.
    """

    def __init__(
        self,
        *,
        synced: bool = False,
        settings: Mapping[str, str] | None = None,
        programs: Path | None = None,
        standby_of: PostgreSQL | None = None,
        port: int | None = None,
        home: Path = Path("/tmp"),
    ) -> None:
        found = programs or find_postgresql()
        if found is None:
            raise FileNotFoundError("PostgreSQL is not installed")
        self._programs = found
        self._user = _unprivileged() if os.geteuid() == 0 else None
        # In /tmp: the path of a socket must be short, and another user must get in.
        self._folder = Path(tempfile.mkdtemp(prefix="pulpo-pg-", dir=home))
        self._data = self._folder / "data"
        self._own(self._folder)
        self.port = port or free_port()
        self._settings = {
            "listen_addresses": "127.0.0.1",
            "unix_socket_directories": str(self._folder),
            "fsync": "on" if synced else "off",
            "full_page_writes": "on" if synced else "off",
            "max_connections": "200",
            "shared_buffers": "128MB",
            "autovacuum_naptime": "1min",
            **(settings or {}),
        }
        self._standby_of = standby_of
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def host(self) -> str:
        """Host and port."""
        return f"127.0.0.1:{self.port}"

    @property
    def url(self) -> str:
        """The server's address, as libpq and pulpo take it."""
        return f"postgresql://test@{self.host}/postgres"

    @property
    def socket_url(self) -> str:
        """Its address through the unix socket."""
        return f"postgresql:///postgres?user=test&host={self._folder}&port={self.port}"

    @property
    def pid(self) -> int:
        """The process id of the running server."""
        assert self._process is not None, "the server does not run"
        return self._process.pid

    def runs(self) -> bool:
        """Tell whether it has not ended by itself."""
        return self._process is not None and self._process.poll() is None

    def start(self) -> PostgreSQL:
        """Start the server, and wait until it answers."""
        assert self._process is None, "the server runs already"
        if not self._data.exists():
            self._make()
        # It follows whoever started it, also where that was killed.
        command = ["setpriv", "--pdeathsig", "INT"] if shutil.which("setpriv") else []
        command += [str(self._programs / "postgres"), "-D", str(self._data), "-p", str(self.port)]
        for name, value in self._settings.items():
            command += ["-c", f"{name}={value}"]
        with (self._folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd="/",
                start_new_session=True,
                **as_user(),
            )
        deadline = time.monotonic() + _RECOVERY
        while not self._answers():
            if self._process.poll() is not None or time.monotonic() > deadline:
                self._fail()
            time.sleep(0.02)
        return self

    def stop(self) -> None:
        """End the server as an administrator in a hurry does; does nothing where it has ended."""
        self._end(signal.SIGINT)

    def kill(self) -> None:
        """End the server and all its processes without a word."""
        process, self._process = self._process, None
        if process is None:
            return
        family = children(process.pid)
        process.kill()
        process.wait()
        # Each of them leads a group of its own; none may be there when the server starts again.
        for pid in family:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        until(lambda: not any(map(is_alive, family)), "the end of all server processes")

    def restart(self) -> None:
        """Kill the server and start it again, on the same address and data."""
        self.kill()
        self.start()

    def freeze(self) -> None:
        """Stop the server and all its processes in their tracks; their sockets stay open."""
        # The first of them last: it would start others in the place of those that are gone.
        for pid in (*children(self.pid), self.pid):
            os.kill(pid, signal.SIGSTOP)

    def thaw(self) -> None:
        """Let a frozen server go on."""
        for pid in (self.pid, *children(self.pid)):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)

    def promote(self) -> None:
        """Make a standby the primary; returns once it takes writes."""
        self._run("pg_ctl", "promote", "-w", "-D", str(self._data))

    def psql(self, statement: str) -> str:
        """Run a statement with the server's own client; return what it prints."""
        return self._run(
            "psql", "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-c", statement, self.url
        ).strip()

    def remove(self) -> None:
        """Take away everything that the server has written."""
        shutil.rmtree(self._folder, ignore_errors=True)

    def said(self) -> str:
        """Return the end of its log."""
        return (self._folder / "log").read_text(errors="replace")[-4_000:]

    def _make(self) -> None:
        if self._standby_of is None:
            self._run(
                "initdb", "-D", str(self._data), "-U", "test", "--auth", "trust",
                "--no-sync", "--encoding", "UTF8", "--locale", "C",
            )  # fmt: skip
            return
        source = self._standby_of
        self._run(
            "pg_basebackup", "-D", str(self._data), "-R", "-X", "stream", "-c", "fast",
            "--no-sync", "-d", source.url,
        )  # fmt: skip

    def _run(self, program: str, *arguments: str) -> str:
        done = subprocess.run(
            [str(self._programs / program), *arguments],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            cwd="/",
            timeout=120,
            check=False,
            **as_user(),
        )
        if done.returncode:
            raise RuntimeError(f"{program} failed: {done.stdout[-1000:]}{done.stderr[-1000:]}")
        return done.stdout

    def _answers(self) -> bool:
        ready = [str(self._programs / "pg_isready"), "-q", "-h", "127.0.0.1", "-p", str(self.port)]
        pid_file = self._data / "postmaster.pid"
        try:
            # Another server may have the port: ours says so in its own folder.
            lines: Sequence[str] = pid_file.read_text().splitlines()
        except OSError:
            return False
        is_ready = len(lines) >= 8 and lines[7].strip() in ("ready", "standby")
        return is_ready and subprocess.run(ready, check=False).returncode == 0

    def _end(self, number: int) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        process.send_signal(number)
        try:
            process.wait(_PATIENCE)
        except subprocess.TimeoutExpired:
            self._process = process
            self.kill()

    def _fail(self) -> None:
        self.kill()
        raise RuntimeError(f"PostgreSQL did not start: {self.said()}")

    def _own(self, folder: Path) -> None:
        if self._user is not None:
            os.chown(folder, self._user.pw_uid, self._user.pw_gid)
            folder.chmod(0o711)

    def __enter__(self) -> PostgreSQL:
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()
        self.remove()


def as_user() -> dict[str, Any]:
    """Return how a process is started that must not be root's: options of `subprocess`."""
    if os.geteuid():
        return {}
    user = _unprivileged()
    return {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}


def _unprivileged() -> pwd.struct_passwd:
    for name in _UNPRIVILEGED:
        try:
            return pwd.getpwnam(name)
        except KeyError:
            continue
    raise RuntimeError("PostgreSQL does not run as root, and there is no user postgres or nobody")


@cache
def shared_postgresql() -> PostgreSQL:
    """Return a server for everything that this process tries; it ends with the process."""
    server = PostgreSQL()
    atexit.register(server.remove)
    atexit.register(server.stop)
    return server.start()


def emptied(server: PostgreSQL) -> str:
    """Return the URL of an empty queue; the first who comes there makes it."""
    import psycopg

    with psycopg.connect(server.url, autocommit=True) as connection:
        connection.execute(_EMPTY)
    return f"{server.url}?create=1"


def end_session(connection: psycopg.Connection[Any]) -> None:
    """End a session as the kernel does when its process dies; return once the server saw it."""
    pid = connection.info.backend_pid
    with socket.socket(fileno=socket.dup(connection.pgconn.socket)) as line:
        line.shutdown(socket.SHUT_RDWR)
    while pid in sessions(connection.info.dsn):
        time.sleep(0.001)


def sessions(conninfo: str) -> list[int]:
    """Return the process ids of a server's sessions, this one's excepted."""
    import psycopg

    with psycopg.connect(conninfo) as connection:
        found = connection.execute("SELECT pid FROM pg_stat_activity WHERE backend_type LIKE 'cl%'")
        return [pid for (pid,) in found if pid != connection.info.backend_pid]


# To delete the few rows of a test is faster than to truncate.
_EMPTY = """
DO $$ BEGIN
    IF to_regclass('pulpo.jobs') IS NOT NULL THEN
        DELETE FROM pulpo.jobs; DELETE FROM pulpo.owners;
        DELETE FROM pulpo.pauses; DELETE FROM pulpo.side;
    END IF;
END $$
"""
