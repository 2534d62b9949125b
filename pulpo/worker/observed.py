"""What is counted of a worker process, and what a watched one tells its supervisor of it.

It tells with each beat how it stands and what it has counted; one that nobody watches tells nothing
of it.
"""

from __future__ import annotations

from collections.abc import Mapping

from pulpo.clock import Clock
from pulpo.worker.depths import Depths
from pulpo.worker.journal import Journal
from pulpo.worker.loop import Worker
from pulpo.worker.metering import report
from pulpo.worker.report import BEAT_EVERY, Reporter
from pulpo.worker.settings import WorkerParts, WorkerSettings
from pulpo.worker.tally import Reader, Tally

__all__ = ["Observed"]


class Observed:
    """What is hung around one worker, from before it is made until it has ended."""

    def __init__(self, parts: WorkerParts, settings: WorkerSettings, clock: Clock) -> None:
        self._settings = settings
        self._clock = clock
        self._listeners = parts.listeners
        self._redaction = parts.redaction
        wanted = ((Reader.SIDE, settings.side), (Reader.HTTP, settings.watched))
        self.tally = Tally(*(reader for reader, is_wanted in wanted if is_wanted))
        queues = settings.queues or parts.registry.queues()
        self._depths = Depths(parts.engine, queues, clock) if settings.counts_queues else None

    def journal(self) -> Journal:
        """Return the journal for the worker."""
        return Journal(
            self._clock,
            format=self._settings.log_format,
            counts=[self.tally.count] if self.tally.is_read else [],
            redaction=self._redaction,
        )

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
        counted = report(self.tally.fetch(Reader.HTTP, self._clock.wall()))
        found = {**worker.facts(), **counted, "dropped": self._listeners.dropped}
        return found if self._depths is None else {**found, **self._depths.take()}
