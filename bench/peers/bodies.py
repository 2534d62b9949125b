"""The jobs of every library, as functions and as coroutines, and what their modules are told.

Imported in the environments of others: the standard library and the stamps only.
"""

from __future__ import annotations

import asyncio
import os
import time

from bench.jobs import PULSE, marks

__all__ = ["FOLDER", "TUNED", "URL", "VARIANT", "anoop", "asleep", "aslow", "noop", "sleep", "slow"]

#: Where the server is, where files go, the peer's variant, and whether it runs tuned for speed.
URL = os.environ["PEER_URL"]
FOLDER = os.environ["PEER_FOLDER"]
VARIANT = os.environ["PEER_VARIANT"]
TUNED = bool(os.environ["PEER_TUNED"])

SLOW = 0.2  # seconds; what is killed in the middle of its run


def noop(number: int) -> None:
    marks().stamp(number)


def sleep(number: int) -> None:
    _wait(number, PULSE)


def slow(number: int) -> None:
    _wait(number, SLOW)


def _wait(number: int, seconds: float) -> None:
    marks().begin(number)
    time.sleep(seconds)
    marks().end(number)


async def anoop(number: int) -> None:
    marks().stamp(number)


async def asleep(number: int) -> None:
    await _await(number, PULSE)


async def aslow(number: int) -> None:
    await _await(number, SLOW)


async def _await(number: int, seconds: float) -> None:
    marks().begin(number)
    await asyncio.sleep(seconds)
    marks().end(number)
