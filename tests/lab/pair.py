"""Two PostgreSQL nodes that replicate: a primary, a synchronous standby, and what a failover is.

What an operator's tool (Patroni and others) does, by hand. Knows nothing of pulpo.
"""

from __future__ import annotations

from contextlib import ExitStack
from types import TracebackType
from typing import Self

from tests.lab.beanstalkd import free_port
from tests.lab.postgresql import PostgreSQL
from tests.lab.processes import until

__all__ = ["Pair"]

_NAME = "second"


class Pair:
    """A primary that commits only what its standby has on its disk; a context manager.

    Both addresses stay, whoever is the primary.
    """

    def __init__(self) -> None:
        self._ports = free_port(), free_port()
        self._stack = ExitStack()
        self.primary: PostgreSQL
        self._standby: PostgreSQL

    @property
    def url(self) -> str:
        """The address of the pair: whichever node takes writes."""
        hosts = ",".join(f"127.0.0.1:{port}" for port in self._ports)
        return f"postgresql://test@{hosts}/postgres?target_session_attrs=read-write"

    def fail_over(self) -> None:
        """Kill the primary in the middle of everything, and promote the standby."""
        old, self.primary = self.primary, self._standby
        old.kill()
        # It has nobody to wait for, until there is another standby.
        self.primary.promote()
        old.remove()

    def add_standby(self) -> None:
        """Start another standby in the place of the dead node; return once commits wait for it."""
        (port,) = {*self._ports} - {self.primary.port}
        self._standby = self._stack.enter_context(
            PostgreSQL(
                synced=True,
                settings={"cluster_name": _NAME},
                standby_of=self.primary,
                port=port,
            )
        )
        # It has this from the primary whose copy it is, and would wait for itself.
        self._standby.psql("ALTER SYSTEM RESET synchronous_standby_names")
        self._standby.psql("SELECT pg_reload_conf()")
        self.primary.psql(f"ALTER SYSTEM SET synchronous_standby_names = '{_NAME}'")
        self.primary.psql("SELECT pg_reload_conf()")
        until(self._is_synchronous, "a synchronous standby")

    def _is_synchronous(self) -> bool:
        state = "SELECT count(*) FROM pg_stat_replication WHERE sync_state = 'sync'"
        return self.primary.psql(state) == "1"

    def __enter__(self) -> Self:
        self.primary = self._stack.enter_context(PostgreSQL(synced=True, port=self._ports[0]))
        self.add_standby()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stack.close()
