"""The contract on beanstalkd, on one real server for all tests."""

from __future__ import annotations

import socket
import threading
from pathlib import Path
from typing import cast

import pytest

from pulpo.adapter import Engine, QueueAdapter
from pulpo.adapters.beanstalkd import BeanstalkdEngine
from pulpo.adapters.beanstalkd.adapter import BeanstalkdAdapter
from pulpo.clock import Clock, SystemClock
from pulpo.codec import Codec
from pulpo.contract import AdapterContract, GuardContract, Stage
from pulpo.contract.ground import Ground
from pulpo.contract.stage import PATIENCE
from pulpo.job import Job, JobState, NewJob
from pulpo.queue_url import QueueURL
from pulpo.registry import JobType
from pulpo.run import Run
from pulpo.worker.gatekeeper import open_beside
from pulpo.worker.guards import GuardRule
from tests.lab.beanstalkd import Beanstalkd


class Server(Ground):
    """One server for all tests."""

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


class TestBeanstalkd(Server, AdapterContract): ...


class TestBeanstalkdGuards(Server, GuardContract):
    @pytest.fixture
    def engine(self, beanstalkd: Beanstalkd, clock: Clock, tmp_path: Path) -> Engine:
        side = f"{beanstalkd.url}?side=sqlite:///{tmp_path}/side.db"
        return BeanstalkdEngine(QueueURL.parse(side), clock=clock)

    def begin(self, stage: Stage, job: Job) -> None:
        envelope = Codec().decode(job.body)
        run = Run(job, envelope, JobType(type=envelope.type, bind=lambda run: lambda: None))
        (verdict,) = GuardRule().ask([run], open_beside(stage.engine))
        assert verdict is None


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
