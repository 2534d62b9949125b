"""What an operator sees of a queue that lies on several servers: each of them, beside the sum."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from pulpo.job import QueueStats

__all__ = ["Composed", "ServerLook"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerLook:
    """One of several servers of a queue: what it is to the queue, and what is on it.

    `standing` is `in`, `draining` or `out`; `why` says why it was not reached, None where it was.
    """

    name: str
    standing: str
    queues: Sequence[QueueStats]
    why: str | None = None


@runtime_checkable
class Composed(Protocol):
    """What an admin may have beside: one of a queue that lies on several servers."""

    def servers(self) -> Sequence[ServerLook]:
        """Return each server, and what is on it."""
        ...
