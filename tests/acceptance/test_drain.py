"""Many producers, many workers, no faults: every job runs once, the most urgent first."""

from __future__ import annotations

from collections.abc import Sequence

from pulpo.message import Message
from tests.lab.ledger import Entry
from tests.lab.place import Place

URGENT, USUAL, LATER = 10, 65_536, 100_000
# What one process may have reserved and not begun: a slot a thread, and very short jobs ahead.
THREADS, MOST_AHEAD = 8, 256


def overtaken(begun: Sequence[Entry]) -> int:
    """Return how many jobs had to watch, at most, a less urgent one begin before them."""
    ranks = sorted({entry.facts["priority"] for entry in begun})
    left = {rank: sum(entry.facts["priority"] == rank for entry in begun) for rank in ranks}
    most = 0
    for entry in sorted(begun, key=lambda entry: entry.at):
        rank = entry.facts["priority"]
        most = max(most, sum(left[other] for other in ranks if other < rank))
        left[rank] -= 1
    return most


def test_5000_jobs_of_4_producers_are_run_exactly_once_by_2_workers(place: Place) -> None:
    priorities = f"--priorities={USUAL},{URGENT},{LATER}"
    place.published(place.produce(4, 1_250, "--batch", "50", priorities))

    with place.worker() as one, place.worker() as other:
        place.wait_until_all_done()
        codes = [one.stop(), other.stop()]

    account = place.account(kept=[job["id"] for job in place.waiting()])
    begun = place.ledger.read("begun")
    assert account.complaints() == []
    assert (account.accepted, account.done, codes) == (5_000, 5_000, [0, 0])
    assert {entry.facts["attempt"] for entry in begun} == {1}
    assert overtaken(begun) <= 4 * (THREADS + MOST_AHEAD)


def test_jobs_published_while_workers_run_are_run_exactly_once(place: Place) -> None:
    with place.worker() as one, place.worker() as other:
        one.ready()
        other.ready()
        producers = [
            *place.produce(2, 400),
            *place.produce(1, 400, "--type", "ledger.anote"),
            *place.produce(1, 1_200, "--batch", "100"),
        ]
        place.published(producers)
        place.wait_until_all_done()
        codes = [one.stop(), other.stop()]

    account = place.account(kept=[job["id"] for job in place.waiting()])
    assert account.complaints() == []
    assert (account.done, codes) == (2_400, [0, 0])


def test_urgent_jobs_overtake_only_what_is_not_in_flight_over_all_queues(place: Place) -> None:
    priorities = f"--priorities={LATER},{USUAL},{URGENT}"
    place.published(
        place.produce(1, 400, "--seconds=0.012", "--batch=100", "--queues=one,two", priorities)
    )

    with place.worker("-q", "one", "-q", "two") as worker:
        place.wait_until_all_done()
        assert worker.stop() == 0

    begun = place.ledger.read("begun")
    assert {entry.facts["queue"] for entry in begun} == {"one", "two"}
    assert place.account().complaints() == []
    # Jobs that take so long are not taken ahead: what overtakes was in a slot of another process.
    assert overtaken(begun) <= 2 * THREADS


def test_a_worker_that_comes_later_gets_its_share_of_a_long_queue(place: Place) -> None:
    place.published(place.produce(1, 2_400, "--seconds=0.004", "--batch=100"))
    # Two threads do 500 a second: the queue is still long when the second one has started.
    slow = ("--processes", "1", "--threads", "2")

    with place.worker(*slow) as first:
        place.wait_for("begun", 200)
        with place.worker(*slow) as second:
            place.wait_until_all_done()
            codes = [first.stop(), second.stop()]

    begun = sorted(place.ledger.read("begun"), key=lambda entry: entry.at)
    old = begun[0].pid
    since = next(place for place, entry in enumerate(begun) if entry.pid != old)
    shared = begun[since:]
    share = sum(entry.pid != old for entry in shared) / len(shared)
    assert codes == [0, 0]
    assert place.account().complaints() == []
    assert len(shared) > 1_000  # or the second one came too late to show anything
    assert 0.3 < share < 0.7


def test_jobs_of_equal_priority_run_in_the_order_of_their_publishing(place: Place) -> None:
    with place.app() as app:
        # One connection: the order of the calls is the order of arrival.
        ids = [app.publish(Message(type="ledger.note", body={})).id for _ in range(200)]

    with place.worker("--processes", "1", "--threads", "1", "--burst") as worker:
        assert worker.wait() == 0

    begun = sorted(place.ledger.read("begun"), key=lambda entry: entry.at)
    assert [entry.id for entry in begun] == ids


def test_a_burst_of_several_processes_ends_when_nothing_is_ready(place: Place) -> None:
    place.published(place.produce(1, 500, "--batch=100"))

    with place.worker("--burst") as worker:
        assert worker.wait() == 0

    assert place.account().complaints() == []
    assert place.waiting() == []
