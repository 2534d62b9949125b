"""The contract on beanstalkd, on one real server for all tests."""

from __future__ import annotations

import socket
import threading
from typing import cast

import pytest

from pulpo.adapter import Engine, QueueAdapter
from pulpo.adapters.beanstalkd import BeanstalkdEngine
from pulpo.adapters.beanstalkd.adapter import BeanstalkdAdapter
from pulpo.clock import Clock, SystemClock
from pulpo.contract import AdapterContract, Stage
from pulpo.contract.stage import PATIENCE
from pulpo.job import Job, JobState, NewJob
from pulpo.queue_url import QueueURL
from tests.lab.beanstalkd import Beanstalkd


class TestBeanstalkd(AdapterContract):
    @pytest.fixture
    def engine(self, beanstalkd: Beanstalkd, clock: Clock) -> Engine:
        return BeanstalkdEngine(QueueURL.parse(beanstalkd.url), clock=clock)

    def crash(self, adapter: QueueAdapter) -> None:
        # What the kernel does with the sockets of a dead process. The server serves who it likes
        # first: only when it has hung up as well, the jobs are with nobody any more.
        for link in list(cast(BeanstalkdAdapter, adapter)._board.links):
            link.sock.shutdown(socket.SHUT_WR)
            link.sock.settimeout(PATIENCE)
            while link.sock.recv(65_536):
                pass

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


def test_without_a_timeout_the_answer_of_a_slow_server_is_waited_for(
    beanstalkd_program: str,
) -> None:
    with Beanstalkd() as server:
        engine = BeanstalkdEngine(QueueURL.parse(server.url), clock=SystemClock())
        adapter = engine.adapter()
        assert adapter.exchange([], ["q"], limit=1, timeout=0.0) == ([], [])
        adapter.put([NewJob(id="one", type="t", queue="q", body=b"x")])
        server.freeze()
        # It has not even read the reserve of this wait when the wait is over.
        assert adapter.exchange([], ["q"], limit=1, timeout=0.02) == ([], [])
        thaw = threading.Timer(0.3, server.thaw)
        thaw.start()

        _, jobs = adapter.exchange([], ["q"], limit=1, timeout=0.0)

        thaw.join()
        assert len(jobs) == 1
        adapter.close()
