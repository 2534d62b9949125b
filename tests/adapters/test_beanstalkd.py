"""The contract on beanstalkd, on one real server for all tests."""

from __future__ import annotations

import socket
from typing import cast

import pytest

from pulpo.adapter import Engine, QueueAdapter
from pulpo.adapters.beanstalkd import BeanstalkdEngine
from pulpo.adapters.beanstalkd.adapter import BeanstalkdAdapter
from pulpo.clock import Clock
from pulpo.contract import AdapterContract, Stage
from pulpo.job import Job, JobState
from pulpo.queue_url import QueueURL
from tests.lab.beanstalkd import Beanstalkd


class TestBeanstalkd(AdapterContract):
    @pytest.fixture
    def engine(self, beanstalkd: Beanstalkd, clock: Clock) -> Engine:
        return BeanstalkdEngine(QueueURL.parse(beanstalkd.url), clock=clock)

    def crash(self, adapter: QueueAdapter) -> None:
        # What the kernel does with the sockets of a dead process.
        for link in list(cast(BeanstalkdAdapter, adapter)._board.links):
            link.sock.shutdown(socket.SHUT_RDWR)

    def expire_lease(self, stage: Stage, adapter: QueueAdapter, job: Job) -> None:
        # beanstalkd may forget the timer of a connection that is silent; any command that comes
        # on it afterwards brings the timer back, which then fires at once.
        stage.advance(stage.lease + 0.05)
        for _ in range(100):
            adapter.exchange([], [stage.other], limit=1, timeout=0.0)
            listed = stage.admin.list(stage.queue, JobState.RESERVED)
            if job.number not in [held.number for held in listed]:
                return
            stage.advance(0.02)
        raise AssertionError("the lease did not run out")
