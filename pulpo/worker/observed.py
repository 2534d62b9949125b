"""What a watched worker process tells its supervisor with each beat: how it stands, what it counts.

A process that nobody watches tells nothing of it, and counts nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from pulpo.clock import Clock
from pulpo.worker.depths import Depths
from pulpo.worker.journal import Ended
from pulpo.worker.loop import Worker
from pulpo.worker.report import BEAT_EVERY, Reporter
from pulpo.worker.settings import WorkerParts, WorkerSettings
from pulpo.worker.tally import Tally
from pulpo.worker.totals import as_facts

__all__ = ["Observed"]


class Observed:
    """What is hung around one worker, from before it is made until it has ended."""

    def __init__(self, parts: WorkerParts, settings: WorkerSettings, clock: Clock) -> None:
        self._settings = settings
        self._clock = clock
        self._listeners = parts.listeners
        self._tally = Tally()
        queues = settings.queues or parts.registry.queues()
        self._depths = Depths(parts.engine, queues, clock) if settings.counts_queues else None

    def counting(
        self, other: Callable[[Sequence[Ended]], None] | None
    ) -> Callable[[Sequence[Ended]], None] | None:
        """Return who is to be told the outcomes of each tick: `other`, and we if we are watched."""
        if not self._settings.watched:
            return other
        ours = self._tally.count
        if other is None:
            return ours

        def both(ended: Sequence[Ended]) -> None:
            other(ended)
            ours(ended)

        return both

    def begin(self, worker: Worker, reporter: Reporter) -> None:
        """From now on tell how the worker stands."""
        if not self._settings.watched:
            return
        reporter.facts = lambda: self._facts(worker)
        # As often as the loop comes by, which is sooner there: no number is older than a second.
        reporter.every = BEAT_EVERY / 2
        if self._depths is not None:
            self._depths.start()

    def end(self) -> None:
        """Count no more queues."""
        if self._depths is not None:
            self._depths.stop()

    def _facts(self, worker: Worker) -> Mapping[str, object]:
        found = {
            **worker.facts(),
            **as_facts(self._tally.fetch(self._clock.wall())),
            "dropped": self._listeners.dropped,
        }
        return found if self._depths is None else {**found, **self._depths.take()}
