"""Which queue an app works with: found at first use, or said anew.

Finds a URL and opens its engine; where a URL may be said is in `pulpo.configuration`, how threads
reach the queue in `pulpo.connections`.
"""

from __future__ import annotations

from collections.abc import Callable

from pulpo.adapters import open_engine
from pulpo.clock import Clock
from pulpo.configuration import find_url
from pulpo.connections import Connections
from pulpo.errors import ConfigurationError, UsageError

__all__ = ["Choice"]


class Choice:
    """The queue of one app; any thread may ask."""

    def __init__(self, clock: Clock) -> None:
        self._own_clock = clock
        #: The clock of publishers and workers.
        self.clock = clock
        # Made at first use, by `dict.setdefault`: see `Connections` for why there is no lock.
        self._queue: dict[str, Connections] = {}
        self._covered: list[tuple[Connections | None, Clock]] = []

    def connections(self) -> Connections:
        """Return the ways to the queue, which is looked for the first time."""
        queue = self._queue.get("queue")
        return queue or self._queue.setdefault("queue", self._found(None))

    def change(self, url: str | None) -> None:
        """Use another queue from now on, and close the connections to the old one.

        Raises `UsageError` for a URL that no engine knows, and then changes nothing.
        """
        # A program that is set up within a test must not reach past the queue that was lent to it.
        old = self._covered[0][0] if self._covered else self._queue.get("queue")
        if old is not None and old.url == url:
            return
        new = self._found(url)
        if self._covered:
            self._covered[0] = (new, self._own_clock)
        else:
            self._queue["queue"] = new
        if old is not None:
            old.close()

    def lend(self, connections: Connections, clock: Clock) -> Callable[[], None]:
        """Work with the queue and the clock of a test until the result is called.

        What `change` says meanwhile counts from then on. What was lent last goes back first.
        """
        self._covered.append((self._queue.get("queue"), self.clock))
        self._queue["queue"], self.clock = connections, clock
        return self._uncover

    def _uncover(self) -> None:
        lent = self._queue.pop("queue")
        own, self.clock = self._covered.pop()
        if own is not None:
            self._queue["queue"] = own
        lent.close()

    def close(self) -> None:
        """Close the connections of all threads."""
        queue = self._queue.get("queue")
        if queue is not None:
            queue.close()

    def _found(self, argument: str | None) -> Connections:
        found = find_url(argument)
        try:
            return Connections(open_engine(found.url, clock=self._own_clock), found.url)
        except UsageError as error:
            if not found.source:
                raise
            raise ConfigurationError(f"{found.source}: {error}") from None
