"""A handler of any body, for fuzzed jobs, and one of a good job; each run leaves a note."""

from __future__ import annotations

import pulpo
from tests.chaos.fuzz import TYPE
from tests.lab.tasks import LEDGER


def run(message: pulpo.Message) -> None:
    """Note that a job was run, whatever its body is."""
    assert message.id
    LEDGER.note("done", message.id)


pulpo.register(TYPE, run, retries=0)


@pulpo.job(type="good", retries=0)
def good() -> None:
    """Note that a good job was done."""
    LEDGER.note("done", pulpo.current_job().id)
