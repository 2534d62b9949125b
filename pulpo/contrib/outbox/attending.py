"""The relay beside a worker: a thread in each of its processes, with a connection of its own.

However many there are, they share the rows out among themselves: that is the database's business.
What keeps a relay from its work is said once, and it tries again, ever more slowly.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

from pulpo.clock import Clock, SystemClock
from pulpo.contrib.outbox.relaying import Relayed, relay
from pulpo.contrib.outbox.rows import Rows
from pulpo.sending import Sender

__all__ = ["Relay", "RelayThread"]

logger = logging.getLogger("pulpo.outbox")

# Between two looks into an empty outbox, and the longest pause after errors, in seconds.
_LOOK, _LONGEST_PAUSE = 0.5, 10.0
# For so long it works before it looks whether it should stop.
_STINT = 0.5


class Relay:
    """Relays the rows of one outbox: in every worker of its app, or here and now.

    `open_rows` is called in the thread that relays. Any thread may call the methods.
    """

    def __init__(
        self,
        name: str,
        sender: Sender,
        open_rows: Callable[[], Rows],
        *,
        clock: Clock | None = None,
    ) -> None:
        self.name = name
        self.open_rows = open_rows
        self._sender = sender
        self._clock = clock or SystemClock()

    def work(self, rows: Rows, *, seconds: float) -> Relayed:
        """Publish rows for about so many seconds; raises what the database raises."""
        return relay(rows, self._sender, self._clock, seconds=seconds)

    def attend(self) -> RelayThread:
        """Begin to relay in a thread."""
        thread = RelayThread(self)
        thread.start()
        return thread


class RelayThread:
    """The thread of one relay; `stop` may be called by any other."""

    def __init__(self, relay: Relay) -> None:
        self._relay = relay
        self._ending = threading.Event()
        self._caught_up = threading.Event()
        self._errors = 0
        self._thread = threading.Thread(
            target=self._serve, name=f"pulpo-outbox-{relay.name}", daemon=True
        )

    def start(self) -> None:
        """Begin; where there is no room for a thread, another process has to relay."""
        try:
            self._thread.start()
        except RuntimeError as error:
            logger.warning("outbox %s is not relayed here: %s", self._relay.name, error)
            self._caught_up.set()

    def wait(self, timeout: float) -> bool:
        """Wait up to so many seconds until nothing was left, or something was in the way."""
        return self._caught_up.wait(timeout)

    def stop(self, patience: float) -> None:
        """End after the flight that is under way, within so many seconds; twice is once."""
        self._ending.set()
        if self._thread.ident is not None:
            self._thread.join(patience)

    def _serve(self) -> None:
        try:
            self._relay_until_the_end()
        finally:
            self._caught_up.set()

    def _relay_until_the_end(self) -> None:
        rows = self._relay.open_rows()
        pause = 0.0
        while not self._ending.wait(pause):
            more = self._stint(rows)
            pause = 0.0 if more else _LOOK
            if self._errors or not more:
                self._caught_up.set()
            if self._errors:
                pause = min(_LOOK * 2.0**self._errors, _LONGEST_PAUSE)
        rows.close()

    def _stint(self, rows: Rows) -> bool:
        """Relay for a while; tell whether there may be more."""
        try:
            relayed = self._relay.work(rows, seconds=_STINT)
        except Exception as error:  # noqa: BLE001  # a database's own errors, of any library
            self._complain(error)
            rows.close()
            return True
        if relayed.refused:
            logger.error("outbox %s: %d rows refused", self._relay.name, relayed.refused)
        if relayed.error is None:
            if self._errors:
                logger.info("outbox %s is relayed again", self._relay.name)
            self._errors = 0
        else:
            self._complain(relayed.error)
        return relayed.left

    def _complain(self, error: Exception) -> None:
        # Once for each outage: the pauses between tries stay short.
        told = logger.debug if self._errors else logger.warning
        line = next(iter(str(error).splitlines()), "")  # some drivers add the statement
        told("outbox %s: %s: %s", self._relay.name, type(error).__name__, line)
        self._errors = min(self._errors + 1, 10)
