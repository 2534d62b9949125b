"""A row of the programme: a fault, how often, on which engines, and what must hold in the end.

A row is a value; its `act` is given a trial and makes the fault happen. Each file of
`tests.chaos.rows` lists its rows as `ROWS`. Knows nothing of pytest and of the command line.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tests.chaos import rows

if TYPE_CHECKING:
    from tests.chaos.trial import Trial

__all__ = ["ALL", "BOTH", "DURABLE", "Row", "all_rows", "needs_of"]

BOTH = ("sqlite", "beanstalkd")
DURABLE = (*BOTH, "postgresql")
#: `beanstalkds` are three servers that are one queue.
ALL = (*DURABLE, "beanstalkds")
_SERVERS = {"beanstalkd": "beanstalkd", "beanstalkds": "beanstalkd", "postgresql": "postgresql"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One fault of the programme.

    `short` are the figures of the short form, that every test run has; `full` those of the long
    form; None where there is no such form. `short_on` are the engines of the short form, None for
    all of them. `engines` are run one after another; a row that needs
    no queue, or brings all that it needs, has one of a name of its own. `passes` says in words
    what must hold. `needs` are programs and rights without which the row cannot run (see
    `tests.lab.needs`).
    """

    name: str
    says: str
    passes: str
    act: Callable[[Trial], None]
    short: Mapping[str, int] | None
    full: Mapping[str, int] | None = None
    engines: tuple[str, ...] = BOTH
    short_on: tuple[str, ...] | None = None
    needs: tuple[str, ...] = ()


def needs_of(row: Row, engine: str) -> tuple[str, ...]:
    """Return what the machine must have for a row on an engine."""
    return (*row.needs, _SERVERS[engine]) if engine in _SERVERS else row.needs


def all_rows() -> list[Row]:
    """Return every row of `tests.chaos.rows`, in the order of their names."""
    found: list[Row] = []
    for module in pkgutil.iter_modules(rows.__path__):
        found += importlib.import_module(f"{rows.__name__}.{module.name}").ROWS
    names = [row.name for row in found]
    assert len(set(names)) == len(names), f"two rows of one name: {sorted(names)}"
    return sorted(found, key=lambda row: row.name)
