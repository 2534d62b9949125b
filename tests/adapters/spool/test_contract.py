"""The contract on beanstalkd, through a spool that has nothing to do."""

from __future__ import annotations

from pathlib import Path
from typing import cast

import pytest

from pulpo.adapter import Engine, QueueAdapter
from pulpo.adapters import open_engine
from pulpo.adapters.spool.adapter import SpoolingAdapter
from pulpo.clock import Clock
from pulpo.contract import AdapterContract, Stage
from pulpo.job import Job
from tests.adapters import test_beanstalkd as plain
from tests.lab.beanstalkd import Beanstalkd


class TestSpooling(AdapterContract):
    @pytest.fixture
    def engine(self, beanstalkd: Beanstalkd, clock: Clock, tmp_path: Path) -> Engine:
        return open_engine(f"{beanstalkd.url}?spool={tmp_path}/spool", clock=clock)

    def crash(self, adapter: QueueAdapter) -> None:
        inner = cast(SpoolingAdapter, adapter)._queue
        plain.TestBeanstalkd.crash(cast(plain.TestBeanstalkd, self), inner)

    def expire_lease(self, stage: Stage, adapter: QueueAdapter, job: Job) -> None:
        plain.TestBeanstalkd.expire_lease(cast(plain.TestBeanstalkd, self), stage, adapter, job)
