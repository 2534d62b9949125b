"""The contracts on PostgreSQL, on one real server for all tests, with a clock that is moved."""

from __future__ import annotations

from typing import cast

import pytest

from pulpo.adapter import Engine, QueueAdapter
from pulpo.adapters.postgresql import PostgreSQLEngine
from pulpo.adapters.postgresql.adapter import PostgreSQLAdapter
from pulpo.clock import Clock, ManualClock
from pulpo.contract import AdapterContract, GuardContract, SideContract
from pulpo.queue_url import QueueURL
from tests.lab.postgresql import end_session


class TestPostgreSQL(AdapterContract, GuardContract):
    @pytest.fixture
    def clock(self) -> Clock:
        return ManualClock()

    @pytest.fixture
    def engine(self, postgresql_url: str, clock: Clock) -> Engine:
        return PostgreSQLEngine(QueueURL.parse(postgresql_url), clock=clock)

    def crash(self, adapter: QueueAdapter) -> None:
        end_session(cast(PostgreSQLAdapter, adapter)._link.connection)


class TestPostgreSQLSide(SideContract):
    @pytest.fixture
    def engine(self, postgresql_url: str, clock: ManualClock) -> Engine:
        return PostgreSQLEngine(QueueURL.parse(postgresql_url), clock=clock)
