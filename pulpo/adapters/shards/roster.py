"""Which servers belong to a queue now: said by a job that lies on each of them, in a queue apart.

So servers can come and go while producers and workers run: these look now and then. The roster with
the highest version counts. Pure, apart from nothing: who reads and writes it is told elsewhere.

    {"type": "pulpo.roster", "body": {"version": 3, "servers": {"10.0.0.5:11300": "draining"}}}
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from types import MappingProxyType

from pulpo.adapters.beanstalkd.own_tubes import ROSTER

__all__ = ["Roster", "Standing"]


class Standing(Enum):
    """What a server is to the queue.

    IN: it takes jobs. DRAINING: it takes none, and workers still reserve from it. OUT: it is left
    alone, also where a URL names it.
    """

    IN = "in"
    DRAINING = "draining"
    OUT = "out"


@dataclass(frozen=True, slots=True)
class Roster:
    """The servers that somebody has said something of, by `host:port`."""

    version: int = 0
    servers: Mapping[str, Standing] = field(default_factory=lambda: MappingProxyType({}))

    def standing(self, server: str) -> Standing:
        """Return what a server is; IN where nothing was said of it."""
        return self.servers.get(server, Standing.IN)

    def changed(self, server: str, standing: Standing, *, known: Iterable[str]) -> Roster:
        """Return the next roster, in which all `known` servers are named."""
        servers = {name: self.standing(name) for name in known} | dict(self.servers)
        return Roster(self.version + 1, {**servers, server: standing})

    def encode(self) -> bytes:
        """Return the roster as the bytes of a job that any tool can read."""
        servers = {name: standing.value for name, standing in sorted(self.servers.items())}
        body = {"version": self.version, "servers": servers}
        return json.dumps({"type": ROSTER, "body": body}).encode()

    @classmethod
    def decode(cls, data: bytes) -> Roster | None:
        """Read a roster; None for what is none, which then says nothing."""
        try:
            body = json.loads(data)["body"]
            servers = {str(name): Standing(value) for name, value in body["servers"].items()}
            return cls(int(body["version"]), servers)
        except (ValueError, LookupError, TypeError, AttributeError):
            return None
