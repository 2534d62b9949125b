"""What every page and every act of one dashboard has at hand."""

from __future__ import annotations

from dataclasses import dataclass

from pulpo.clock import Clock
from pulpo.codec import Codec
from pulpo.dashboard.counting import Counts
from pulpo.dashboard.doors import Doors
from pulpo.dashboard.errands import Errands
from pulpo.dashboard.reading import Reading
from pulpo.dashboard.rendering import Pages
from pulpo.redaction import Redaction

__all__ = ["Seat"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Seat:
    """The parts of one dashboard; `keys` encodes what an operator edits, `hidden` is not shown."""

    doors: Doors
    counts: Counts
    errands: Errands
    reading: Reading
    pages: Pages
    keys: Codec
    hidden: Redaction
    clock: Clock

    def close(self) -> None:
        """Let go of the queue and of what is beside it, once the threads have finished."""
        self.errands.close()
        self.doors.close()
        self.reading.told.close()
