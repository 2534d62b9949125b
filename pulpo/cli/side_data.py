"""What workers tell of themselves beside the queue, as far as it is known here.

Nothing is, so far: an answer of None is not the answer that there is no worker.
"""

from __future__ import annotations

from collections.abc import Sequence

from pulpo.adapter import Engine
from pulpo.explaining import LiveWorker

__all__ = ["live_workers", "rate_of"]


def live_workers(engine: Engine) -> Sequence[LiveWorker] | None:  # noqa: ARG001
    """Return the workers that live now; None where that is not known."""
    return None


def rate_of(engine: Engine, queue: str) -> float | None:  # noqa: ARG001
    """Return how many jobs of a queue were done a second, of late; None where it is not known."""
    return None
