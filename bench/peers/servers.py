"""Private servers for one run: in a folder of their own, on a free port, ended by their handles.

A server that runs on this machine already is neither used nor touched.
"""

from __future__ import annotations

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

from bench.place import missing, open_place

__all__ = ["DEBIAN_PACKAGES", "missing_server", "open_server"]

#: What brings a server's programs on Debian and Ubuntu.
DEBIAN_PACKAGES = {
    "redis": "redis-server",
    "rabbitmq": "rabbitmq-server",
    "postgresql": "postgresql",
    "beanstalkd": "beanstalkd",
}
_PROGRAMS = {"redis": "redis-server", "rabbitmq": "rabbitmq-server", "postgresql": "postgres"}
# Debian keeps PostgreSQL's own programs out of the path, one folder for each version.
_DEBIAN_POSTGRESQL = Path("/usr/lib/postgresql")
_START_SECONDS = 60


def missing_server(server: str) -> str | None:
    """Name what is missing for a server; None if it can be started."""
    if server not in _PROGRAMS:
        return missing(server)
    if _program(_PROGRAMS[server]) is None:
        return f"no {_PROGRAMS[server]} on this machine"
    if server == "postgresql" and os.geteuid() == 0 and _user("postgres") is None:
        return "PostgreSQL does not run as root, and there is no user postgres"
    return None


@contextmanager
def open_server(server: str) -> Iterator[tuple[str, Path]]:
    """Start it; returns its URL and a folder for files."""
    if server in _STARTS:
        with tempfile.TemporaryDirectory(prefix="pulpo-peers-") as name:
            folder = Path(name)
            folder.chmod(0o711)  # PostgreSQL's user must pass
            with _STARTS[server](folder) as url:
                yield url, folder
    elif server == "file":
        with tempfile.TemporaryDirectory(prefix="pulpo-peers-") as name:
            yield "", Path(name)
    else:
        with open_place(server) as place:
            yield place.url, place.folder


@contextmanager
def _redis(folder: Path) -> Iterator[str]:
    port = _free_port()
    command = [_needed("redis-server"), "--port", str(port), "--bind", "127.0.0.1"]
    command += ["--appendonly", "no", "--save", "", "--dir", str(folder)]
    with _running(command, folder / "redis.log") as server:
        _await_port(server, port)
        yield f"redis://127.0.0.1:{port}/0"


@contextmanager
def _rabbitmq(folder: Path) -> Iterator[str]:
    port, names = _free_port(), _free_port()
    folder, name = _home(folder, "rabbitmq")
    # Debian's own program becomes another user by su, which passes no signal on.
    inner = Path("/usr/lib/rabbitmq/bin/rabbitmq-server")
    program = str(inner) if name is not None and inner.exists() else _needed("rabbitmq-server")
    environment = {
        "HOME": str(folder),
        "RABBITMQ_NODENAME": f"peers{port}@localhost",
        "RABBITMQ_NODE_IP_ADDRESS": "127.0.0.1",
        "RABBITMQ_NODE_PORT": str(port),
        "RABBITMQ_DIST_PORT": str(_free_port()),
        "RABBITMQ_MNESIA_BASE": str(folder / "mnesia"),
        "RABBITMQ_LOG_BASE": str(folder / "log"),
        "RABBITMQ_PID_FILE": str(folder / "pid"),
        "RABBITMQ_ENABLED_PLUGINS_FILE": str(folder / "plugins"),
        "RABBITMQ_CONFIG_FILE": str(folder / "none"),
        "ERL_EPMD_PORT": str(names),
    }
    log = folder / "rabbitmq.log"
    with (
        # Its registry of names; if there were none, it would start one that outlives it.
        _running([_needed("epmd"), "-port", str(names), "-address", "127.0.0.1"], log),
        _running([program], log, user=name, environment=environment) as server,
    ):
        _await_port(server, port)
        yield f"amqp://guest:guest@127.0.0.1:{port}//"


@contextmanager
def _postgresql(folder: Path) -> Iterator[str]:
    data, name = _home(folder, "postgres")
    port = _free_port()
    init = [_needed("initdb"), "-D", str(data), "-U", "bench", "--auth", "trust"]
    _as(name, init, folder / "initdb.log").wait()
    command = [_needed("postgres"), "-D", str(data), "-p", str(port)]
    command += ["-c", "listen_addresses=127.0.0.1", "-c", f"unix_socket_directories={data}"]
    with _running(command, folder / "postgres.log", user=name) as server:
        _await_port(server, port)
        yield f"postgresql://bench@127.0.0.1:{port}/postgres"


_STARTS: dict[str, Callable[[Path], AbstractContextManager[str]]] = {
    "redis": _redis,
    "rabbitmq": _rabbitmq,
    "postgresql": _postgresql,
}


def _as(
    user: str | None, command: Sequence[str], log: Path, environment: dict[str, str] | None = None
) -> subprocess.Popen[bytes]:
    with log.open("ab") as output:
        return subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            cwd="/",
            env={**os.environ, **(environment or {})},
            user=user,
            group=user,
            extra_groups=[] if user is not None else None,
            start_new_session=True,
        )


@contextmanager
def _running(
    command: Sequence[str],
    log: Path,
    *,
    user: str | None = None,
    environment: dict[str, str] | None = None,
) -> Iterator[subprocess.Popen[bytes]]:
    server = _as(user, command, log, environment)
    try:
        yield server
    except RuntimeError as error:
        said = log.read_text(errors="replace")[-1000:]
        raise RuntimeError(f"{error}\n{said}") from error
    finally:
        server.terminate()
        try:
            server.wait(20)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait()


def _await_port(server: subprocess.Popen[bytes], port: int) -> None:
    _await(lambda: _answers(port), server)


def _answers(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True


def _await(ready: Callable[[], bool], server: subprocess.Popen[bytes]) -> None:
    end = time.monotonic() + _START_SECONDS
    while time.monotonic() < end and server.poll() is None:
        if ready():
            return
        time.sleep(0.05)
    raise RuntimeError(f"{server.args!r} did not start")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


def _program(name: str) -> str | None:
    found = sorted(map(str, _DEBIAN_POSTGRESQL.glob(f"*/bin/{name}")))
    return shutil.which(name) or (found[-1] if found else None)


def _needed(name: str) -> str:
    path = _program(name)
    if path is None:
        raise RuntimeError(f"no {name} on this machine")
    return path


def _home(folder: Path, name: str) -> tuple[Path, str | None]:
    """Make a folder for a server that root starts as this user; None is ourselves."""
    home = folder / name
    home.mkdir(mode=0o700)
    user = None if os.geteuid() else _user(name)
    if user is not None:
        os.chown(home, user.pw_uid, user.pw_gid)
    return home, None if user is None else name


def _user(name: str) -> pwd.struct_passwd | None:
    try:
        return pwd.getpwnam(name)
    except KeyError:
        return None
