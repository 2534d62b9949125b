"""What a worker of an app works with, put together when one starts; producers never load it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pulpo.redacting import configured
from pulpo.worker.settings import WorkerParts

if TYPE_CHECKING:
    from pulpo.app import Pulpo

__all__ = ["parts_of"]


def parts_of(app: Pulpo) -> WorkerParts:
    """Return the parts; they belong to the process that asks."""
    return WorkerParts(
        app.engine,
        app.registry,
        app.codec,
        app.shown_url,
        chain=app.sender.chains.run,
        listeners=app.sender.listeners,
        attendants=tuple(app.attendants),
        redaction=configured(),
        ticker=app.recurring.ticker(),
    )
