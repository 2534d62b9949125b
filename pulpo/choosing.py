"""Which queue an app works with: found at first use, or said anew.

Finds a URL and opens its engine; where a URL may be said is in `pulpo.configuration`, how threads
reach the queue in `pulpo.connections`.
"""

from __future__ import annotations

from pulpo.adapters import open_engine
from pulpo.clock import Clock
from pulpo.configuration import find_url
from pulpo.connections import Connections
from pulpo.errors import ConfigurationError, UsageError

__all__ = ["Choice"]


class Choice:
    """The queue of one app; any thread may ask."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        # Made at first use, by `dict.setdefault`: see `Connections` for why there is no lock.
        self._queue: dict[str, Connections] = {}

    def connections(self) -> Connections:
        """Return the ways to the queue, which is looked for the first time."""
        queue = self._queue.get("queue")
        return queue or self._queue.setdefault("queue", self._found(None))

    def change(self, url: str | None) -> None:
        """Use another queue from now on, and close the connections to the old one.

        Raises `UsageError` for a URL that no engine knows, and then changes nothing.
        """
        old = self._queue.get("queue")
        if old is not None and old.url == url:
            return
        self._queue["queue"] = self._found(url)
        if old is not None:
            old.close()

    def close(self) -> None:
        """Close the connections of all threads."""
        queue = self._queue.get("queue")
        if queue is not None:
            queue.close()

    def _found(self, argument: str | None) -> Connections:
        found = find_url(argument)
        try:
            return Connections(open_engine(found.url, clock=self._clock), found.url)
        except UsageError as error:
            if not found.source:
                raise
            raise ConfigurationError(f"{found.source}: {error}") from None
