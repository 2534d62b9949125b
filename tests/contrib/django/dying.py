"""The project's worker module, with a relay that dies where it is told to.

`DIE` is `before`, `between` or `after`, as in the kill tests of SQLAlchemy's outbox.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Sequence
from typing import Any

import pulpo.contrib.django.worker  # noqa: F401
from pulpo.contrib.outbox.django import reading
from pulpo.contrib.outbox.rows import Flight

_rows = reading._rows
_remove = Flight.remove
_write = reading.DjangoRows._write


def _die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def _before(wanted: Any, limit: int) -> Any:
    if _rows(wanted, limit):
        _die()
    return []


def _between(flight: Flight, numbers: Sequence[int]) -> None:
    _die()


def _after(rows: Any, flight: Flight) -> None:
    _write(rows, flight)
    _die()


match os.environ["DIE"]:
    case "before":
        reading._rows = _before
    case "between":
        Flight.remove = _between  # type: ignore[method-assign]
    case "after":
        reading.DjangoRows._write = _after  # type: ignore[method-assign]
