"""A job that waits 10 ms in the event loop."""

from __future__ import annotations

import asyncio

import pulpo
from bench.jobs import PULSE, marks


@pulpo.job(type="bench.sleep_async")
async def sleep_async(number: int) -> None:
    marks().begin(number)
    await asyncio.sleep(PULSE)
    marks().end(number)
