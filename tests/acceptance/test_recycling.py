"""Worker processes that have done enough are replaced, and no job notices."""

from __future__ import annotations

from collections import Counter

import pulpo
from tests.lab.place import Place
from tests.lab.processes import until


def test_processes_that_have_run_enough_jobs_are_replaced_and_nothing_is_lost(
    place: Place,
) -> None:
    place.published(place.produce(2, 250, "--batch=100"))

    with place.worker("--max-jobs", "50", "--burst") as worker:
        assert worker.wait(120) == 0
        recycled, died = worker.said("recycling"), worker.said("died")

    account = place.account(kept=[job["id"] for job in place.waiting()])
    assert account.complaints() == []
    assert (account.accepted, account.done, died) == (500, 500, [])
    assert {entry.facts["attempt"] for entry in place.ledger.read("begun")} == {1}
    by_process = Counter(entry.pid for entry in place.ledger.read("begun"))
    assert max(by_process.values()) <= 50
    assert len(recycled) >= 9
    assert all("jobs" in line["reason"] for line in recycled)


def test_processes_that_use_too_much_memory_are_replaced_and_nothing_is_lost(
    file_place: Place,
) -> None:
    with file_place.app() as app:
        sent = app.publish_many([pulpo.Message(type="hog", body={"seconds": 0.3})] * 30)

    limits = ("--max-memory", "150MB", "--processes", "1", "--threads", "2")
    with file_place.worker(*limits, module="tests.worker.hog") as worker:
        until(lambda: file_place.ledger.count("done") >= 30, "all jobs done", patience=60)
        until(lambda: worker.said("recycling"), "a word about memory")
        assert worker.stop() == 0
        recycled, died = worker.said("recycling"), worker.said("died")

    done = [entry.id for entry in file_place.ledger.read("done")]
    assert sorted(done) == sorted(ref.id for ref in sent)
    assert {entry.facts["attempt"] for entry in file_place.ledger.read("begun")} == {1}
    assert died == []
    assert len({entry.pid for entry in file_place.ledger.read("begun")}) >= 2
    assert "more than 150MB" in recycled[0]["reason"]


def test_what_outlasts_the_grace_of_a_process_that_is_too_big_goes_back_unspent(
    file_place: Place,
) -> None:
    with file_place.app() as app:
        app.publish_many([pulpo.Message(type="ledger.gated", body={}), *_hogs(8)])

    limits = ("--max-memory", "150MB", "--processes", "1", "--grace", "0.5s")
    with file_place.worker(*limits, module="tests.worker.hog") as worker:
        file_place.wait_for("done", 8)
        until(lambda: _begun(file_place) >= 2, "the second run of the long job")
        (file_place.ledger.folder / "gate").touch()
        file_place.wait_for("done", 9)
        assert worker.said("died") == []
        assert worker.stop() == 0

    assert {entry.facts["attempt"] for entry in file_place.ledger.read("begun")} == {1}
    assert file_place.waiting() == []


def _hogs(count: int) -> list[pulpo.Message]:
    return [pulpo.Message(type="hog", body={}) for _ in range(count)]


def _begun(place: Place) -> int:
    return max(Counter(entry.id for entry in place.ledger.read("begun")).values())
