"""Job types for machines on which something is scarce: room, memory, descriptors.

A worker of a trial loads this module; it keeps the ledger of `tests.lab.tasks`.
"""

from __future__ import annotations

import contextlib
import logging
import os
import time

import pulpo
from tests.lab.tasks import FOLDER, GATE, LEDGER, begin, fatal, flaky, gated, note

__all__ = ["fatal", "flaky", "gated", "note"]

_HELD: list[bytearray] = []


@pulpo.job(type="scarce.snoozes")
def snoozes() -> pulpo.Outcome | None:
    """Go to sleep when it runs for the first time, and be done at the second."""
    run = begin()
    slept = FOLDER / f"slept-{run.id}"
    if not slept.exists():
        slept.touch()
        return pulpo.Snooze(1)
    LEDGER.note("done", run.id)
    return None


@pulpo.job(type="scarce.talks")
def talks() -> None:
    """Say much, by the log and by print."""
    run = begin()
    logging.getLogger("scarce").warning("x" * 1_000)
    with contextlib.suppress(OSError):
        print("x" * 1_000, flush=True)
    LEDGER.note("done", run.id)


@pulpo.job(type="scarce.greedy", retries=0)
def greedy() -> None:
    """Ask for more memory than there is, and let Python say so."""
    begin()
    bytearray(2**40)


@pulpo.job(type="scarce.hungry")
def hungry() -> None:
    """Take all memory that there is, and die of it as C code does."""
    begin()
    try:
        while True:
            _HELD.append(bytearray(8 * 2**20))
    except MemoryError:
        os.abort()


@pulpo.job(type="scarce.opens")
def opens() -> None:
    """Hold every descriptor that there is until the gate opens."""
    run = begin()
    held = []
    try:
        with contextlib.suppress(OSError):
            while True:
                held.append(os.open(os.devnull, os.O_RDONLY))
        FOLDER.joinpath("starved").mkdir(exist_ok=True)  # a file would need a descriptor
        while not GATE.exists():
            time.sleep(0.02)
    finally:
        for fd in held:
            os.close(fd)
    LEDGER.note("done", run.id)
