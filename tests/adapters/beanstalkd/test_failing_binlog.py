"""A real beanstalkd whose binlog cannot be written: the put that finds it out is answered BURIED.

1.12 keeps that job among the ready ones as well: it runs, and a delete of it would end the server.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from pulpo.adapter import QueueAdapter
from pulpo.adapters.beanstalkd import BeanstalkdEngine
from pulpo.clock import SystemClock
from pulpo.errors import PublishUncertainError
from pulpo.identity import new_id
from pulpo.job import NewJob, Settlement, Verb
from pulpo.queue_url import QueueURL
from tests.lab.beanstalkd import Beanstalkd
from tests.lab.needs import need
from tests.lab.processes import until
from tests.lab.shim import FailingDisk

pytestmark = pytest.mark.usefixtures("beanstalkd_program")


@pytest.fixture
def disk(tmp_path: Path) -> FailingDisk:
    need("compiler")
    return FailingDisk(tmp_path / "flag", match="binlog.")


@pytest.fixture
def server(disk: FailingDisk, tmp_path: Path) -> Iterator[Beanstalkd]:
    with Beanstalkd("-f0", binlog=tmp_path / "binlog", environ=disk.environ) as server:
        yield server


@pytest.fixture
def adapter(server: Beanstalkd) -> Iterator[QueueAdapter]:
    engine = BeanstalkdEngine(QueueURL.parse(server.url), clock=SystemClock())
    with contextlib.closing(engine.adapter()) as adapter:
        yield adapter


def job(body: bytes) -> NewJob:
    return NewJob(id=new_id(), type="t", queue="default", body=body)


def drain(adapter: QueueAdapter) -> list[bytes]:
    bodies: list[bytes] = []
    done: list[Settlement] = []
    while True:
        _, jobs = adapter.exchange(done, ["default"], limit=1, timeout=0.0)
        if not jobs:
            return bodies
        bodies += [job.body for job in jobs]
        done = [Settlement(Verb.DELETE, job) for job in jobs]


@pytest.mark.parametrize("waiting", [0, 3])
def test_a_put_that_could_not_be_logged_is_uncertain_and_no_later_job_is_lost_by_it(
    adapter: QueueAdapter, disk: FailingDisk, waiting: int
) -> None:
    adapter.put([job(b"before")] * waiting)
    disk.fail()

    refused = job(b"refused")
    (answer,) = adapter.put([refused])
    disk.heal()
    later = [job(b"later %d" % n) for n in range(5)]

    assert isinstance(answer, PublishUncertainError)
    assert answer.id == refused.id
    assert adapter.put(later) == [each.id for each in later]
    # It ran, which is why it is uncertain and not refused; what came after it is all there.
    assert sorted(drain(adapter)) == sorted(
        [b"before"] * waiting + [b"refused"] + [each.body for each in later]
    )
    assert drain(adapter) == []


def test_a_put_that_could_not_be_logged_can_be_published_again_after_a_restart(
    adapter: QueueAdapter, disk: FailingDisk, server: Beanstalkd
) -> None:
    disk.fail()
    message = job(b"once")
    assert isinstance(adapter.put([message])[0], PublishUncertainError)
    disk.heal()
    server.restart()

    # The first try may be what finds out that the old connection is gone.
    until(lambda: list(adapter.put([message])) == [message.id], "it is accepted")
    assert drain(adapter) == [b"once"]
