"""Who does what schedules publish: notes each run, in one write, in the ledger's folder."""

from __future__ import annotations

import os
from pathlib import Path

import pulpo

__all__ = ["NOTES"]

NOTES = "ticks"


class Note:
    """The handler."""

    def handle(self, message: pulpo.Message) -> None:
        """Note which tick it is."""
        tick = pulpo.current_job().tick
        assert tick is not None
        line = f"{message.body} {tick.timestamp():.0f} {message.id}\n"
        path = Path(os.environ["LEDGER"]) / NOTES
        file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        try:
            os.write(file, line.encode())
        finally:
            os.close(file)


pulpo.register("tick.note", Note(), queue="ticks")
