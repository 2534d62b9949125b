"""A private PostgreSQL for one run: in a folder of its own, on a free port, ended by its handle.

As its distributor has set it up, so with fsync; only what a queue of many jobs a second needs is
said (see docs/reference/engines.md). A server that runs on this machine already is neither used
nor touched.
"""

from __future__ import annotations

import os
import pwd
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

__all__ = ["missing_postgresql", "run_postgresql"]

_DEBIAN = Path("/usr/lib/postgresql")
_START_SECONDS = 60
_SETTINGS = {"max_wal_size": "4GB", "autovacuum_naptime": "5s", "shared_buffers": "512MB"}


def missing_postgresql() -> str | None:
    """Say why it can't be started here; None if it can."""
    if _program("postgres") is None:
        return "no PostgreSQL on this machine"
    if os.geteuid() == 0 and _user() is None:
        return "PostgreSQL does not run as root, and there is no user postgres"
    return None


@contextmanager
def run_postgresql(folder: Path) -> Iterator[int]:
    """Start it on a free port; it stops at the end."""
    data, user = folder / "postgresql", _user() if os.geteuid() == 0 else None
    folder.chmod(0o711)  # its user must pass
    data.mkdir(mode=0o700)
    if user is not None:
        os.chown(data, user.pw_uid, user.pw_gid)
    log = (folder / "postgresql.log").open("ab")
    with log, socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        probe.close()
        init = ["initdb", "-D", str(data), "-U", "bench", "--auth", "trust", "--no-sync"]
        if _start(init, log.fileno(), user).wait(_START_SECONDS):
            raise RuntimeError((folder / "postgresql.log").read_text()[-1000:])
        command = ["postgres", "-D", str(data), "-p", str(port)]
        settings = _SETTINGS | {"listen_addresses": "127.0.0.1", "unix_socket_directories": ""}
        for name, value in settings.items():
            command += ["-c", f"{name}={value}"]
        server = _start(command, log.fileno(), user)
        try:
            _await(server, data)
            yield port
        finally:
            server.send_signal(2)  # SIGINT: it lets nobody finish
            server.wait(_START_SECONDS)


def _await(server: subprocess.Popen[bytes], data: Path) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while time.monotonic() < deadline and server.poll() is None:
        lines: Sequence[str] = ()
        if (data / "postmaster.pid").exists():
            lines = (data / "postmaster.pid").read_text().splitlines()
        if len(lines) >= 8 and lines[7].strip() == "ready":
            return
        time.sleep(0.02)
    raise RuntimeError("PostgreSQL did not start")


def _start(
    command: Sequence[str], log: int, user: pwd.struct_passwd | None
) -> subprocess.Popen[bytes]:
    program = _program(command[0])
    assert program is not None
    return subprocess.Popen(
        [program, *command[1:]],
        stdin=subprocess.DEVNULL,
        stdout=log,
        stderr=log,
        cwd="/",
        user=None if user is None else user.pw_uid,
        group=None if user is None else user.pw_gid,
        extra_groups=None if user is None else [],
    )


def _program(name: str) -> str | None:
    # Debian keeps PostgreSQL's own programs out of the path, one folder for each version.
    found = sorted(_DEBIAN.glob(f"*/bin/{name}"), key=lambda path: float(path.parts[-3]))
    return str(found[-1]) if found else shutil.which(name)


def _user() -> pwd.struct_passwd | None:
    try:
        return pwd.getpwnam("postgres")
    except KeyError:
        return None
