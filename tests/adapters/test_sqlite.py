"""The contract on the file queue, with a clock that is moved."""

from __future__ import annotations

from pathlib import Path

import pytest

from pulpo.adapter import Engine, QueueAdapter
from pulpo.adapters.sqlite import SQLiteEngine
from pulpo.clock import Clock, ManualClock
from pulpo.contract import AdapterContract
from pulpo.contract.ground import Ground
from pulpo.queue_url import QueueURL
from tests.adapters.following import GuardedFollowing


class File(Ground):
    """A fresh file for each test."""

    @pytest.fixture
    def clock(self) -> Clock:
        return ManualClock()

    @pytest.fixture
    def engine(self, tmp_path: Path, clock: Clock) -> Engine:
        return SQLiteEngine(QueueURL.parse(f"sqlite:///{tmp_path}/queue.db"), clock=clock)

    def crash(self, adapter: QueueAdapter) -> None:
        adapter._trader.membership.die()  # its lock is gone, as after SIGKILL, and nothing else


class TestSQLite(File, AdapterContract): ...


class TestSQLiteGuards(File, GuardedFollowing): ...
