"""A private queue for one run: an own beanstalkd on a free port, a file in an own folder, memory.

Each run gets a new one, so no run sees what another has left. Nothing outside the temporary
folder is touched; the server is ended by its process object.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench.postgresql import missing_postgresql, run_postgresql

__all__ = ["ENGINES", "Place", "disk_sync_ms", "missing", "open_place"]

# `sqlite?sync=normal` is a place of its own: the same file queue, not synced at each publish.
ENGINES = ("memory", "sqlite", "sqlite?sync=normal", "beanstalkd", "postgresql")


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where one run happens; `port` is 0 where the engine has none."""

    engine: str
    url: str
    folder: Path
    port: int = 0


def missing(engine: str) -> str | None:
    """Say why an engine can't be measured here; None if it can."""
    if engine == "beanstalkd" and shutil.which("beanstalkd") is None:
        return "no beanstalkd on this machine"
    return missing_postgresql() if engine == "postgresql" else None


@contextmanager
def open_place(engine: str) -> Iterator[Place]:
    """Make a new private queue, take it away afterwards."""
    with tempfile.TemporaryDirectory(prefix="pulpo-bench-") as name:
        folder = Path(name)
        if engine == "beanstalkd":
            with _beanstalkd(folder) as port:
                url = f"beanstalkd://127.0.0.1:{port}"
                yield Place(engine=engine, url=url, folder=folder, port=port)
        elif engine == "postgresql":
            with run_postgresql(folder) as port:
                url = f"postgresql://bench@127.0.0.1:{port}/postgres?create=1"
                yield Place(engine=engine, url=url, folder=folder, port=port)
        elif engine == "memory":
            yield Place(engine=engine, url="memory://", folder=folder)
        else:
            _, _, options = engine.partition("?")
            url = f"sqlite:///{folder / 'queue.db'}" + (f"?{options}" if options else "")
            yield Place(engine=engine, url=url, folder=folder)


@contextmanager
def _beanstalkd(folder: Path) -> Iterator[int]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    with (folder / "beanstalkd.log").open("ab") as log:
        server = subprocess.Popen(
            ["beanstalkd", "-l", "127.0.0.1", "-p", str(port)], stdout=log, stderr=log
        )
    try:
        _await_server(server, port)
        yield port
    finally:
        server.kill()
        server.wait()


def _await_server(server: subprocess.Popen[bytes], port: int) -> None:
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline and server.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return
        except OSError:
            time.sleep(0.005)
    raise RuntimeError(f"beanstalkd did not start on port {port}")


def disk_sync_ms() -> float:
    """Return the median milliseconds that a synced 4 KiB append takes in the temporary folder."""
    times = []
    with tempfile.TemporaryFile(buffering=0) as file:
        for _ in range(50):
            file.write(b"x" * 4096)
            before = time.perf_counter()
            os.fsync(file.fileno())
            times.append((time.perf_counter() - before) * 1000)
    return sorted(times)[len(times) // 2]
