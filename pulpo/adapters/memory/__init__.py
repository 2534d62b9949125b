"""A queue in the memory of one process: `memory://`, for tests and for programs that never stop.

The jobs belong to the engine object and end with it. Several adapters of one engine, each in its
thread, share them; another process sees nothing of it, a forked one has a copy.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from pulpo.adapter import QueueAdapter, QueueAdmin, no_beat
from pulpo.adapters.memory.adapter import MemoryAdapter
from pulpo.adapters.memory.admin import MemoryAdmin
from pulpo.adapters.memory.facts import Facts
from pulpo.adapters.memory.guarding import Guards
from pulpo.adapters.memory.store import Store
from pulpo.clock import Clock
from pulpo.errors import UsageError
from pulpo.queue_url import QueueURL

if TYPE_CHECKING:
    from pulpo.checkup import Finding
    from pulpo.side import SideStore

__all__ = ["MemoryEngine"]

_LARGEST_BODY = 1_073_741_824


class MemoryEngine:
    """A queue in memory. The option `max_job_size` (65535) is the largest body in bytes."""

    def __init__(self, url: QueueURL, *, clock: Clock) -> None:
        url.only({"max_job_size"})
        if url.host or url.path not in ("", "/"):
            raise UsageError(
                f"a memory queue has no host and no path, only memory://: {url.masked!r}"
            )
        max_body = url.whole("max_job_size", 65_535, least=1, most=_LARGEST_BODY)
        self._facts = Facts(clock)
        self._store = Store(clock, max_body, Guards(self._facts))

    def adapter(self, *, beat: Callable[[], None] = no_beat) -> QueueAdapter:  # noqa: ARG002
        """Open a door for one thread; it never waits for anything but jobs."""
        return MemoryAdapter(self._store)

    def admin(self) -> QueueAdmin:
        """Open a door for an operator."""
        return MemoryAdmin(self._store)

    def side(self) -> SideStore:
        """Open the facts beside the queue for one thread; see `pulpo.side.KeepsSide`."""
        from pulpo.adapters.memory.side import MemorySide  # noqa: PLC0415  # no producer needs it

        return MemorySide(self._facts)

    def examine(self, say: Callable[[str], None]) -> Iterator[Finding]:  # noqa: ARG002
        """Say what kind of queue it is; see `pulpo.adapter.Examinable`."""
        from pulpo.adapters.memory.checkup import examine  # noqa: PLC0415  # for operators only

        return examine()
