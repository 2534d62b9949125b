"""A relay hands every job over, leaves what it cannot, and shows what nobody takes."""

from __future__ import annotations

import os
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from pulpo.adapter import QueueAdapter
from pulpo.adapters import open_engine
from pulpo.adapters.spool.names import name_of
from pulpo.adapters.spool.relaying import relay
from pulpo.adapters.spool.store import Spool
from pulpo.clock import SystemClock
from pulpo.errors import (
    PublishUncertainError,
    QueueDrainingError,
    QueueError,
    QueueFullError,
    QueueUnavailableError,
)
from pulpo.job import NewJob
from tests.adapters.spool.jobs import job
from tests.lab.processes import until

CLOCK = SystemClock()


@pytest.fixture
def spool(tmp_path: Path) -> Spool:
    return Spool(tmp_path / "spool", 100_000_000, CLOCK)


@dataclass
class Says:
    """A queue that answers each put by a rule, and notes what it was given."""

    rule: object = None
    given: list[NewJob] = field(default_factory=list)
    flights: list[int] = field(default_factory=list)

    def put(self, jobs: Sequence[NewJob]) -> list[object]:
        self.given += jobs
        self.flights.append(len(jobs))
        if isinstance(self.rule, QueueUnavailableError):
            raise self.rule
        return [self.rule or each.id for each in jobs]


def refused(spool: Spool) -> list[str]:
    return sorted(path.name for path in (spool.folder / "refused").iterdir())


def left(spool: Spool) -> int:
    return spool.stats().jobs


def test_everything_goes_out_in_order_and_in_flights(spool: Spool) -> None:
    spool.keep([job(priority=n % 7) for n in range(250)])
    queue = Says()

    done = relay(spool, queue, CLOCK, seconds=60)  # type: ignore[arg-type]

    assert (done.count, done.left, left(spool)) == (250, False, 0)
    assert queue.flights == [100, 100, 50]
    assert [each.priority for each in queue.given] == sorted(n % 7 for n in range(250))


def test_a_flight_is_bounded_in_bytes(spool: Spool) -> None:
    spool.keep([job(body=bytes(400_000)) for _ in range(7)])
    queue = Says()

    relay(spool, queue, CLOCK, seconds=60)  # type: ignore[arg-type]

    assert queue.flights == [3, 3, 1]


def test_without_time_it_is_one_flight(spool: Spool) -> None:
    spool.keep([job() for _ in range(250)])

    done = relay(spool, Says(), CLOCK, seconds=0)  # type: ignore[arg-type]

    assert (done.count, done.left, left(spool)) == (100, True, 150)


@pytest.mark.parametrize(
    "error",
    [
        QueueUnavailableError("away"),
        PublishUncertainError("no answer", id="x"),
        QueueFullError("full"),
        QueueDrainingError("draining"),
        QueueError("odd"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_what_the_queue_does_not_take_now_stays(spool: Spool, error: QueueError) -> None:
    spool.keep([job() for _ in range(150)])

    done = relay(spool, Says(error), CLOCK, seconds=60)  # type: ignore[arg-type]

    assert (done.count, done.refused, done.left, done.error) == (0, 0, True, error)
    assert left(spool) == 150
    assert relay(spool, Says(), CLOCK, seconds=60).count == 150  # type: ignore[arg-type]


def test_a_job_too_big_for_the_queue_is_put_aside_and_the_others_go(spool: Spool) -> None:
    adapter = open_engine("memory://?max_job_size=100").adapter()
    spool.keep([job(body=bytes(size)) for size in (10, 101, 100)])

    done = relay(spool, adapter, CLOCK, seconds=60)

    assert (done.count, done.refused, done.left) == (2, 1, False)
    (name,) = refused(spool)
    assert name.endswith(".too-big")
    assert (spool.stats().jobs, spool.stats().refused) == (0, 1)


def test_torn_and_strange_files_are_put_aside_whole_and_the_others_go(spool: Spool) -> None:
    spool.keep([job() for _ in range(3)])
    torn = spool.folder / name_of(job(priority=0))
    torn.write_bytes(b"\x93\x01")
    (spool.folder / name_of(job())).symlink_to("/etc/passwd")
    (spool.folder / "notes.txt").write_text("not ours")
    queue = Says()

    done = relay(spool, queue, CLOCK, seconds=60)  # type: ignore[arg-type]

    assert (done.count, done.refused, len(queue.given)) == (3, 2, 3)
    assert all(name.endswith(".unreadable") for name in refused(spool))
    assert (spool.folder / "refused" / f"{torn.name}.unreadable").read_bytes() == b"\x93\x01"
    assert (spool.folder / "notes.txt").read_text() == "not ours"


def test_more_torn_files_than_a_flight_do_not_end_the_relay(spool: Spool) -> None:
    spool.keep([job(priority=9)])
    for _ in range(120):
        (spool.folder / name_of(job(priority=0))).touch()

    done = relay(spool, Says(), CLOCK, seconds=60)  # type: ignore[arg-type]

    assert (done.count, done.refused, done.left) == (1, 120, False)


def test_a_job_is_removed_only_after_it_was_accepted(spool: Spool) -> None:
    class Dies(Exception):
        pass

    class Murderous(Says):
        def put(self, jobs: Sequence[NewJob]) -> list[object]:
            assert left(spool) == 5
            raise Dies

    spool.keep([job() for _ in range(5)])

    with pytest.raises(Dies):
        relay(spool, Murderous(), CLOCK, seconds=60)  # type: ignore[arg-type]

    assert relay(spool, Says(), CLOCK, seconds=60).count == 5  # type: ignore[arg-type]


def test_two_relays_at_once_hand_over_each_job_once(spool: Spool) -> None:
    spool.keep([job() for _ in range(800)])
    engine = open_engine("memory://")

    def work() -> None:
        own = Spool(spool.folder, spool.limit, CLOCK)  # as another process would have it
        door: QueueAdapter = engine.adapter()
        while relay(own, door, CLOCK, seconds=0).left:
            pass
        door.close()

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)

    assert engine.admin().stats("q").ready == 800
    assert left(spool) == 0


def test_only_one_relays_and_a_killed_one_leaves_the_lock(spool: Spool) -> None:
    spool.keep([job()])
    told, tell = os.pipe()
    child = os.fork()
    if not child:  # holds the lock until it is killed
        try:

            class Stuck(Says):
                def put(self, jobs: Sequence[NewJob]) -> list[object]:
                    os.write(tell, b"x")
                    threading.Event().wait(60)
                    return []

            relay(spool, Stuck(), CLOCK, seconds=0)  # type: ignore[arg-type]
        finally:
            os._exit(1)
    os.read(told, 1)
    queue = Says()

    assert relay(spool, queue, CLOCK, seconds=0).busy  # type: ignore[arg-type]
    os.kill(child, 9)
    os.waitpid(child, 0)
    until(
        lambda: relay(spool, queue, CLOCK, seconds=0).count == 1,  # type: ignore[arg-type]
        "the dead one's lock to be free",
    )
    os.close(told)
    os.close(tell)


def test_a_folder_that_is_refused_is_not_relayed(spool: Spool) -> None:
    spool.keep([job()])
    spool.folder.chmod(0o777)
    queue = Says()

    with pytest.raises(QueueUnavailableError, match="others must not write it"):
        relay(spool, queue, CLOCK, seconds=0)  # type: ignore[arg-type]

    assert queue.given == []
