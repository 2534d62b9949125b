"""A handler of any body, for fuzzed jobs; and one of a good job that leaves a note."""

from __future__ import annotations

import pulpo
from tests.chaos.fuzz import TYPE
from tests.lab.tasks import LEDGER

pulpo.register(TYPE, lambda message: None, retries=0)


@pulpo.job(type="good", retries=0)
def good() -> None:
    """Note that a good job was done."""
    LEDGER.note("done", pulpo.current_job().id)
