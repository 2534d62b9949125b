"""What the slots run, and where they are in it."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator

import pytest

from pulpo.clock import SystemClock
from pulpo.worker.coroutines import CoroutinePool
from pulpo.worker.slots import Slots
from pulpo.worker.threads import ThreadPool
from tests.worker.stage import run_of, until


class Pools:
    def __init__(self) -> None:
        clock = SystemClock()
        self.threads = ThreadPool(2, clock, lambda: None)
        self.coroutines = CoroutinePool(3, clock, lambda: None)
        self.slots = Slots(self.threads, self.coroutines, clock)
        self.gate = threading.Event()
        self.bell: asyncio.Event | None = None
        self.begun: list[str] = []

    def wait_in_a_thread(self) -> None:
        self.gate.wait()

    async def inner(self) -> None:
        self.begun.append("inner")
        self.bell = asyncio.Event()
        await self.bell.wait()

    async def outer(self) -> None:
        await self.inner()

    async def blocking(self) -> None:
        self.begun.append("blocking")
        self.wait_in_a_thread()

    def open(self) -> None:
        self.gate.set()
        if self.bell is not None:
            asyncio.run_coroutine_threadsafe(self._ring(self.bell), self.coroutines._event_loop())

    async def _ring(self, bell: asyncio.Event) -> None:
        bell.set()

    def stacks(self) -> dict[str, str]:
        return {slot.run.id: self.slots.stack(slot) for slot in self.slots.busy()}


@pytest.fixture
def pools() -> Iterator[Pools]:
    pools = Pools()
    yield pools
    pools.open()
    until(lambda: not pools.threads.running())
    pools.threads.stop()
    pools.coroutines.stop()


def calls(stack: str) -> list[str]:
    return [line.rpartition(" in ")[2] for line in stack.splitlines() if " in " in line]


def test_a_thread_is_where_its_handler_is(pools: Pools) -> None:
    run = run_of(pools.wait_in_a_thread, number=1)
    pools.threads.submit([run], wake=1)
    until(lambda: run.started and "wait" in pools.stacks().get("id-1", ""))
    (stack,) = pools.stacks().values()

    assert calls(stack)[0] == "wait_in_a_thread"
    assert "self.gate.wait()" in stack


def test_a_coroutine_is_where_it_waits(pools: Pools) -> None:
    run = run_of(pools.outer, number=2, is_async=True)
    pools.coroutines.submit([run])
    until(lambda: "inner" in pools.begun)
    until(lambda: "bell.wait" in pools.stacks()["id-2"])

    assert calls(pools.stacks()["id-2"])[:2] == ["outer", "inner"]


def test_one_that_blocks_its_loop_is_where_it_blocks(pools: Pools) -> None:
    run = run_of(pools.blocking, number=3, is_async=True)
    pools.coroutines.submit([run])
    until(lambda: "blocking" in pools.begun)
    until(lambda: "wait_in_a_thread" in pools.stacks()["id-3"])

    assert calls(pools.stacks()["id-3"])[:2] == ["blocking", "wait_in_a_thread"]


def test_what_was_given_up_is_still_seen_until_it_ends(pools: Pools) -> None:
    plain, coroutine = run_of(pools.wait_in_a_thread), run_of(pools.outer, number=2, is_async=True)
    pools.threads.submit([plain], wake=1)
    pools.coroutines.submit([coroutine])
    until(lambda: plain.started and coroutine.started)
    pools.threads.give_up(plain)
    pools.coroutines.give_up(coroutine)

    assert {slot.name for slot in pools.slots.busy()} == {"thread-1", "async"}
    pools.open()
    until(lambda: not pools.slots.busy())


def test_the_stack_of_a_run_that_has_ended_is_empty(pools: Pools) -> None:
    run = run_of(pools.wait_in_a_thread)
    pools.threads.submit([run], wake=1)
    until(lambda: run.started)
    (slot,) = pools.slots.busy()
    pools.gate.set()
    until(lambda: not pools.slots.busy())

    assert pools.slots.stack(slot) == ""
