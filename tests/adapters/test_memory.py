"""The contract on the memory engine, and what is its own."""

from __future__ import annotations

from typing import cast

import pytest
from pulpo.adapters.memory import MemoryAdapter, MemoryEngine

from pulpo.adapter import Engine, QueueAdapter
from pulpo.clock import Clock, ManualClock
from pulpo.contract import AdapterContract
from pulpo.queue_url import QueueURL


class TestMemory(AdapterContract):
    @pytest.fixture
    def clock(self) -> Clock:
        return ManualClock()

    @pytest.fixture
    def engine(self, clock: Clock) -> Engine:
        return MemoryEngine(QueueURL.parse("memory://"), clock=clock)

    def crash(self, adapter: QueueAdapter) -> None:
        cast(MemoryAdapter, adapter).crash()


class TestMemoryByTheSystemClock(AdapterContract):
    """The same, as a process without a clock of its own would see it: it really waits."""

    @pytest.fixture
    def engine(self, clock: Clock) -> Engine:
        return MemoryEngine(QueueURL.parse("memory://"), clock=clock)

    def crash(self, adapter: QueueAdapter) -> None:
        cast(MemoryAdapter, adapter).crash()
