"""A PgBouncer of a test's own in front of a PostgreSQL, in transaction mode."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from pathlib import Path
from types import TracebackType

import psycopg

from tests.lab.beanstalkd import free_port
from tests.lab.postgresql import PostgreSQL, as_user
from tests.lab.processes import until

__all__ = ["PgBouncer", "find_pgbouncer"]

_CONFIG = """
[databases]
postgres = host=127.0.0.1 port={server} user=test pool_size=3
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {port}
unix_socket_dir =
auth_type = any
pool_mode = {mode}
ignore_startup_parameters = extra_float_digits
server_check_query =
"""


def find_pgbouncer() -> str | None:
    """Return the path of its program."""
    return shutil.which("pgbouncer", path=f"{os.environ.get('PATH', '')}:/usr/sbin")


class PgBouncer:
    """A pooler with three connections to a server; a context manager."""

    def __init__(self, server: PostgreSQL, *, mode: str = "transaction") -> None:
        self.port = free_port()
        self._folder = Path(tempfile.mkdtemp(prefix="pulpo-pool-", dir="/tmp"))
        self._folder.chmod(0o755)
        text = _CONFIG.format(server=server.port, port=self.port, mode=mode)
        (self._folder / "pgbouncer.ini").write_text(text)

    @property
    def url(self) -> str:
        """The pooler's address, as a client takes it."""
        return f"postgresql://test@127.0.0.1:{self.port}/postgres"

    def __enter__(self) -> PgBouncer:
        program = find_pgbouncer()
        assert program is not None
        self._process = subprocess.Popen(
            [program, "-q", str(self._folder / "pgbouncer.ini")],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd="/",
            **as_user(),
        )
        until(self._answers, "PgBouncer")
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._process.kill()
        self._process.wait()
        shutil.rmtree(self._folder, ignore_errors=True)

    def _answers(self) -> bool:
        try:
            psycopg.connect(self.url, connect_timeout=2).close()
        except psycopg.OperationalError:
            return False
        return True
