"""What is counted of a worker process, what a watched one tells its supervisor, what is due.

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
        self._ticking = None
        if parts.ticker is not None:
            from pulpo.worker.ticking import Ticking  # noqa: PLC0415  # few have schedules

            self._ticking = Ticking.of(parts, settings, clock)

    def journal(self) -> Journal:
        """Return the journal for the worker."""
        counts = [self.tally.count] if self.tally.is_read else []
        if self._ticking is not None:
            counts.append(self._ticking.count)
        return Journal(
            self._clock,
            format=self._settings.log_format,
            counts=counts,
            redaction=self._redaction,
        )

    def begin(self, worker: Worker, reporter: Reporter) -> None:
        """From now on tell how the worker stands, and publish what is due."""
        if self._ticking is not None:
            self._ticking.start()
        if not self._settings.watched:
            return
        reporter.facts = lambda: self._facts(worker)
        # As often as the loop comes by, which is sooner there: no number is older than a second.
        reporter.every = BEAT_EVERY / 2
        if self._depths is not None:
            self._depths.start()

    def end(self) -> None:
        """Count no more queues, publish nothing more."""
        if self._ticking is not None:
            self._ticking.stop()
        if self._depths is not None:
            self._depths.stop()

    def _facts(self, worker: Worker) -> Mapping[str, object]:
        counted = report(self.tally.fetch(Reader.HTTP, self._clock.wall()))
        found = {**worker.facts(), **counted, "dropped": self._listeners.dropped}
        return found if self._depths is None else {**found, **self._depths.take()}
