"""An idle worker is told that there is a job; it does not look every so often."""

from __future__ import annotations

import statistics
import time

import pytest

from pulpo.message import Message
from tests.lab.place import Place

TIMES = 20
# The safety net of a file queue, in seconds: without wake-ups a job would wait for half of it.
SLOW_POLL = 1.0


def delays(place: Place, *, queue: str = "default") -> list[float]:
    """Publish to an idle worker again and again; return the seconds until each job began."""
    found = []
    with place.app() as app:
        for n in range(TIMES):
            time.sleep(0.01 + 0.003 * n)  # at no fixed moment of anything that ticks
            before = time.monotonic()
            app.publish(Message(type="ledger.note", body={}, queue=queue))
            place.wait_for("done", n + 1)
            found.append(place.ledger.read("begun")[-1].at - before)
    return found


def test_a_job_for_an_idle_worker_begins_long_before_the_slow_poll(place: Place) -> None:
    with place.worker("--processes", "1") as worker:
        worker.ready()
        found = delays(place)
        assert worker.stop() == 0

    # Polls of a second would take half a second each, and every fourth more than 0.75.
    assert statistics.median(found) < 0.25 * SLOW_POLL
    assert sorted(found)[-3] < 0.5 * SLOW_POLL


@pytest.mark.parametrize("queue", ["mail", "default"])
def test_of_two_idle_workers_the_one_is_woken_that_serves_the_queue(
    file_place: Place, queue: str
) -> None:
    with (
        file_place.worker("--processes", "1", "-q", "default") as one,
        file_place.worker("--processes", "1", "-q", "mail") as other,
    ):
        one.ready()
        other.ready()
        found = delays(file_place, queue=queue)
        assert (one.stop(), other.stop()) == (0, 0)

    assert statistics.median(found) < 0.25 * SLOW_POLL


def test_a_worker_that_was_killed_while_it_waited_takes_no_wake_up_from_others(
    file_place: Place,
) -> None:
    with file_place.worker("--processes", "1") as victim:
        victim.ready()
        with file_place.worker("--processes", "1") as survivor:
            survivor.ready()
            time.sleep(0.2)  # until both wait
            victim.kill()
            found = delays(file_place)
            assert survivor.stop() == 0

    assert statistics.median(found) < 0.25 * SLOW_POLL
