"""A job that takes 2 ms: enough of them keep a worker busy for as long as somebody looks."""

from __future__ import annotations

import time

import pulpo
from bench.jobs import BRIEF_PULSE, marks


@pulpo.job(type="bench.brief")
def brief(number: int) -> None:
    marks().begin(number)
    time.sleep(BRIEF_PULSE)
    marks().end(number)
