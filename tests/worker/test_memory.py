"""A handler that has run out of memory: what it held is let go before anybody tells of it."""

from __future__ import annotations

import asyncio
import weakref

from pulpo.clock import SystemClock
from pulpo.worker.decide import Raised
from pulpo.worker.execute import Finished, execute, execute_async
from tests.worker.stage import run_of


class Big:
    """What takes much memory."""


def held_after(finished: Finished, held: list[weakref.ref[Big]]) -> bool:
    assert isinstance(finished.result, Raised)
    assert isinstance(finished.result.error, MemoryError)
    assert finished.result.error.__traceback__ is not None
    return held[0]() is not None


def test_its_error_keeps_nothing_of_what_it_held() -> None:
    held: list[weakref.ref[Big]] = []

    def hog() -> None:
        big = Big()
        held.append(weakref.ref(big))
        raise MemoryError

    assert not held_after(execute(run_of(hog), SystemClock()), held)


def test_nor_does_that_of_a_coroutine() -> None:
    held: list[weakref.ref[Big]] = []

    async def hog() -> None:
        big = Big()
        held.append(weakref.ref(big))
        raise MemoryError

    run = run_of(hog, is_async=True)
    assert not held_after(asyncio.run(execute_async(run, SystemClock())), held)
