"""A job that waits 10 ms in its thread, as one does that asks another server."""

from __future__ import annotations

import time

import pulpo
from bench.jobs import PULSE, marks


@pulpo.job(type="bench.sleep")
def sleep(number: int) -> None:
    marks().begin(number)
    time.sleep(PULSE)
    marks().end(number)
