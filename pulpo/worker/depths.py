"""How many jobs wait in the queues that a worker serves: looked at in a thread, never in its loop.

One process of a watched worker looks for all of them, through an operator's door of its own. What
takes long, because the queues are long, is done more seldom.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Sequence

from pulpo.adapter import Engine, QueueAdmin
from pulpo.clock import Clock
from pulpo.errors import QueueError

__all__ = ["Depths"]

logger = logging.getLogger(__name__)

PAUSE = 1.0
# Of its time, at most one part in so many goes into counting.
SHARE = 20
_FAREWELL = 0.2


class Depths:
    """Counts jobs by queue and state, again and again; `take` and `stop` are the loop thread's."""

    def __init__(self, engine: Engine, queues: Sequence[str], clock: Clock) -> None:
        self._engine = engine
        self._queues = queues
        self._clock = clock
        self._stopped = threading.Event()
        self._found: dict[str, dict[str, int]] | None = None
        self._thread = threading.Thread(target=self._work, name="pulpo-depths", daemon=True)

    def start(self) -> None:
        """Begin to count."""
        self._thread.start()

    def take(self) -> dict[str, object]:
        """Return what was counted since the last call, as plain values."""
        found, self._found = self._found, None
        return {} if found is None else {"depths": found}

    def stop(self) -> None:
        """Count no more; waits a moment for the count that is under way."""
        self._stopped.set()
        self._thread.join(_FAREWELL)

    def _work(self) -> None:
        while not self._stopped.is_set():
            try:
                self._count_until_stopped()
            except QueueError:
                self._found = {}  # the loop says that; no number is better than an old one
            except Exception:
                logger.exception("the jobs of the queues cannot be counted")
                self._found = {}
            self._rest(0.0)

    def _count_until_stopped(self) -> None:
        admin = self._engine.admin()
        try:
            while not self._stopped.is_set():
                started = self._clock.monotonic()
                self._found = {queue: _by_state(admin, queue) for queue in self._queues}
                self._rest(self._clock.monotonic() - started)
        finally:
            admin.close()

    def _rest(self, took: float) -> None:
        self._stopped.wait(max(PAUSE, SHARE * took))


def _by_state(admin: QueueAdmin, queue: str) -> dict[str, int]:
    found = admin.stats(queue)
    return {
        "ready": found.ready,
        "delayed": found.delayed,
        "reserved": found.reserved,
        "buried": found.buried,
    }
