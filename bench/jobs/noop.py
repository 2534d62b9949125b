"""A job that does nothing."""

from __future__ import annotations

import pulpo
from bench.jobs import marks


@pulpo.job(type="bench.noop")
def noop(number: int) -> None:
    marks().stamp(number)
